"""The plan: every decision of a training as plain data that a person can read and edit."""

from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from crln.errors import CrlnError
from crln.files import checked, read_yaml, to_yaml
from crln.files import fault_of as fault_of
from crln.labels import LabelSpace
from crln.notebook import facts_html, times
from crln.planning.bounds import Axes, Steps, misfit
from crln.registry import NETWORKS, VIEWS, Registry

Triple = tuple[int, int, int]
Halving = Annotated[int, Field(ge=1, le=2)]
"""1: an axis keeps its voxels from one level to the next; 2: it has half as many."""

LossTerm = Literal["dice_ce", "cross_entropy", "dice"]

VERSION = 2
"""Of the format of plans; raised where an older reading would be a wrong one."""


class Section(BaseModel):
    """A part of a plan: unknown fields are refused, so that a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Intensity(Section):
    """How one channel's values become the network's.

    `window`: clip to `low`..`high`, subtract `mean`, divide by `std` (CT; the cohort's statistics).
    `zscore`: each scan by its own mean and standard deviation. `minmax`: each scan to 0..1.
    `none`: as they are (the research archives come normalised).
    """

    scheme: Literal["window", "zscore", "minmax", "none"] = "zscore"
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _window_is_complete(self) -> Self:
        if self.scheme == "window" and None in (self.low, self.high, self.mean, self.std):
            raise ValueError("the intensity scheme 'window' needs low, high, mean and std")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low, {self.low:g}, must be below high, {self.high:g}")
        return self


class NetworkPlan(Section):
    """The backbone and what CRLN adds to it (docs/explanation/method.md, section 2)."""

    kind: str = Field(default="vnet", description="`vnet`, `unet`, or what a package adds")
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=2, description="channels per level, finest first"
    )
    strides: tuple[tuple[Halving, Halving, Halving], ...] = Field(
        default=((2, 2, 2),) * 4,
        validate_default=True,
        description="from each level to the next, along X, Y, Z: 2 halves, 1 keeps the voxels",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="of channels; paper presets: 0.5 or 0.3"
    )
    embedding: int = Field(default=16, ge=1, description="E, width of the contrastive embedding")
    prototypes: int = Field(default=4, ge=1, description="N, prototypes per class")
    options: dict[str, Any] = Field(
        default_factory=dict, description="whatever else the network of a package takes"
    )

    @field_validator("strides")
    @classmethod
    def _a_stride_between_levels(
        cls, strides: tuple[Triple, ...], info: ValidationInfo
    ) -> tuple[Triple, ...]:
        due = len(info.data.get("widths", ())) - 1
        if due > 0 and len(strides) != due:
            raise ValueError(f"{due + 1} widths need {due} strides, got {len(strides)}")
        return strides

    @property
    def step(self) -> Triple:
        """Voxels along X, Y, Z that one voxel of the coarsest level stands for."""
        x, y, z = (prod(axis) for axis in zip(*self.strides, strict=True))
        return x, y, z

    @field_validator("kind")
    @classmethod
    def _network_is_installed(cls, kind: str) -> str:
        return _installed(NETWORKS, kind)


class ViewsPlan(Section):
    """Which random changes the patches get.

    `paper`: docs/explanation/method.md, section 4. `rich`: what nnU-Net does to a labelled patch.
    """

    kind: str = Field(default="rich", description="`paper`, `rich`, or what a package adds")
    mirror_axes: Axes = Field(
        default=(),
        description="array axes (0, 1, 2 of X, Y, Z) along which patches may be mirrored",
    )
    rotate90: bool = Field(default=False, description="90-degree turns in the X-Y plane")
    brightness: bool = Field(default=True, description="weak view: brightness changes (paper)")
    options: dict[str, Any] = Field(
        default_factory=dict, description="numbers of these views that differ from their defaults"
    )

    @field_validator("kind")
    @classmethod
    def _views_are_installed(cls, kind: str) -> str:
        return _installed(VIEWS, kind)


class LossPlan(Section):
    """What a label teaches, in every method whose paper does not say otherwise.

    A name or a list of them is short for `terms`.
    """

    terms: tuple[LossTerm, ...] = Field(
        default=("dice_ce",), min_length=1,
        description="averaged: `dice_ce` (the mean of both others), `cross_entropy`, `dice`",
    )  # fmt: skip
    class_weights: tuple[float, ...] | None = Field(
        default=None, description="one a class, background first; none: all alike"
    )

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"terms": (given,)}
        return {"terms": given} if isinstance(given, list | tuple) else given

    @field_validator("class_weights")
    @classmethod
    def _weights_weigh(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and (min(weights, default=0) < 0 or not any(weights[1:])):
            raise ValueError(
                f"class weights must not be negative, and one structure's above 0, got {weights}"
            )
        return weights


class TeacherPlan(Section):
    """The mean teacher."""

    decay: float = Field(default=0.99, ge=0, le=1, description="EMA decay a: min(1 - 1/(t+1), a)")
    dropout: bool = Field(default=False, description="dropout on while the teacher labels")
    norm: Literal["own", "ema"] = Field(
        default="ema",
        description="norm statistics: `own`, from its own passes; `ema`, following the student's",
    )


class TrainingPlan(Section):
    """Budget, batch and optimiser.

    AdamW at 0.003 is what a short budget learns most with: on hippocampus, 1,000 steps, it brought
    two points of Dice on validation cases over SGD at 0.01 (docs/explanation/decisions/).
    """

    iterations: int = Field(default=4000, ge=1)
    labelled: int = Field(default=2, ge=1, description="labelled patches a step")
    unlabelled: int = Field(default=2, ge=0, description="unlabelled patches a step")
    foreground: float = Field(
        default=0.0, ge=0, le=1, description="share of labelled patches centred on foreground"
    )
    labelled_start: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="share of the steps on labels alone, two views a patch; paper presets: 0",
    )
    optimiser: Literal["sgd", "adam", "adamw"] = "adamw"
    lr: float = Field(default=0.003, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of SGD, Nesterov's")
    weight_decay: float = Field(default=0.01, ge=0)
    schedule: Literal["poly", "step", "constant"] = "poly"
    power: float = Field(default=0.9, ge=0, description="of the polynomial decay")
    warmup: float = Field(
        default=0.0, ge=0, lt=1, description="share of linear learning-rate warm-up"
    )
    gradient_clip: float | None = Field(default=None, gt=0, description="largest gradient norm")

    @model_validator(mode="after")
    def _decay_leaves_weights(self) -> Self:
        if self.lr * self.weight_decay >= 1:
            raise ValueError(
                f"weight_decay, {self.weight_decay:g}, times lr, {self.lr:g}, must be below 1: a "
                "step would turn every weight around"
            )
        return self


class InferencePlan(Section):
    """Sliding-window prediction.

    `stride` in voxels wins over `overlap` (the share of a window that its neighbour covers too).
    """

    stride: Steps | None = None
    overlap: float = Field(default=0.5, ge=0, lt=1)
    weighting: Literal["uniform", "gaussian"] = "gaussian"
    mirror_axes: Axes = Field(
        default=(), description="test-time mirroring: average over flips along these axes"
    )


class Plan(Section):
    """Everything a paper would list about one training, for one cohort.

    Attributes:
        spacing: voxel size in mm after resampling; None keeps every scan's own grid.
        patch_size: voxels along X, Y, Z; each a multiple of `step`.
        options: per method, the options that differ from that method's defaults.

    Example:
        >>> plan = crln.Plan().updated({"training": {"iterations": 1000}})
        >>> plan.training.iterations
        1000
    """

    version: int = Field(default=VERSION, description="of this format of plans")
    name: str = "auto"
    channels: tuple[str, ...] = Field(default=("image",), min_length=1)
    intensity: tuple[Intensity, ...] = (Intensity(),)
    labels: LabelSpace = Field(default=LabelSpace(), description="the classes, see below")
    spacing: tuple[float, float, float] | None = None
    network: NetworkPlan = NetworkPlan()
    patch_size: Triple = Field(default=(64, 64, 64), validate_default=True)
    views: ViewsPlan = ViewsPlan()
    loss: LossPlan = LossPlan()
    teacher: TeacherPlan = TeacherPlan()
    training: TrainingPlan = TrainingPlan()
    inference: InferencePlan = InferencePlan()
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if isinstance(version := given.get("version"), int) and version > VERSION:
            raise ValueError(f"is of version {version}, this crln reads {VERSION}; update crln")
        plan = _current(given)
        if isinstance(labels := plan.get("labels"), dict):
            plan["labels"] = asdict(LabelSpace()) | labels
        return plan | {"version": VERSION}

    @field_validator("patch_size")
    @classmethod
    def _patch_is_possible(cls, patch: Triple, info: ValidationInfo) -> Triple:
        if "network" in info.data:  # else its own fault is told
            fault = misfit(patch, info.data["network"].step)
            if fault:
                raise ValueError(fault)
        return patch

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if len(self.intensity) != len(self.channels):
            raise ValueError("intensity needs one entry per channel")
        weights = self.loss.class_weights
        if weights is not None and len(weights) != self.classes:
            raise ValueError(
                f"loss.class_weights must be one a class, {self.classes}, got {len(weights)}"
            )
        if self.spacing is not None and any(not 0 < s < 1e3 for s in self.spacing):
            raise ValueError(f"spacing must be positive millimetres, got {list(self.spacing)}")
        return self

    @property
    def classes(self) -> int:
        """K, background included."""
        return self.labels.classes

    @property
    def step(self) -> Triple:
        """What a patch's sides are multiples of, along X, Y, Z: the network's strides, together."""
        return self.network.step

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        network, training = self.network, self.training
        return facts_html(f"plan {self.name}", {
            "classes": ", ".join(self.labels.names),
            "spacing": f"{times(self.spacing)} mm" if self.spacing else "each scan's own",
            "patch": f"{times(self.patch_size)} voxels",
            "intensity": ", ".join(scheme.scheme for scheme in self.intensity),
            "network": f"{network.kind}, {'-'.join(map(str, network.widths))} channels",
            "views": self.views.kind,
            "training": f"{training.iterations} steps of {training.labelled} labelled and "
            f"{training.unlabelled} unlabelled patches, {training.optimiser}",
        })  # fmt: skip

    def updated(self, changes: dict[str, Any]) -> "Plan":
        """A copy with nested `changes` merged in and validated again."""
        return Plan.model_validate(_merged(self.model_dump(), _current(changes)))

    def to_yaml(self) -> str:
        """The plan as text a person can edit."""
        return to_yaml(self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Reads a YAML or JSON plan.

        Raises:
            CrlnError: the file cannot be read, or a field is impossible (the field is named).
        """
        return checked(read_yaml(path, "give a plan"), cls, path, "edit the plan")


def options_of(model: type[Section], given: dict[str, Any], where: str, owner: str) -> Any:
    """`given` over the defaults of `model`, validated.

    Args:
        model: of the options.
        given: what the plan says; nested parts may name some of their fields only.
        where: the field of the plan, for messages.
        owner: whose options they are, for messages.

    Raises:
        CrlnError: an option is unknown or impossible.
    """
    try:
        return model.model_validate(_merged(model().model_dump(), given))
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise CrlnError(
            f"plan: {where}.{fault_of(error)}; {owner} has {known or 'no options'}"
        ) from error


def _installed(registry: Registry, name: str) -> str:
    if name not in registry:
        raise ValueError(f"no {registry.noun} {name!r}; choose one of {', '.join(registry)}")
    return name


def _current(given: dict[str, Any]) -> dict[str, Any]:
    """A plan, or a part of one, of any version, in the form of this one.

    Version 1 had the values and the names of the classes as two lists, `labels` and `class_names`.
    """
    plan = {key: value for key, value in given.items() if key != "class_names"}
    labels = plan.get("labels", {})
    if isinstance(labels, list | tuple | range):
        labels = {"values": list(labels)}
    elif isinstance(labels, LabelSpace):
        labels = asdict(labels)
    if "class_names" in given and isinstance(labels, dict):
        labels = {**labels, "names": given["class_names"]}
    return {**plan, "labels": labels} if labels else plan


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result
