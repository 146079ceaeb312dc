"""The parts of a plan: what each may say, and what it says where nothing is asked for."""

from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from crln.planning.bounds import Axes, Steps
from crln.registry import NETWORKS, VIEWS, Registry

Triple = tuple[int, int, int]
Halving = Annotated[int, Field(ge=1, le=2)]
"""1: an axis keeps its voxels from one level to the next; 2: it has half as many."""

LossTerm = Literal["dice_ce", "cross_entropy", "dice"]


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


def _installed(registry: Registry, name: str) -> str:
    if name not in registry:
        raise ValueError(f"no {registry.noun} {name!r}; choose one of {', '.join(registry)}")
    return name
