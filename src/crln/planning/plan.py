"""The plan: every decision of a training as plain data that a person can read and edit."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from crln.errors import CrlnError
from crln.files import checked, fault_of, read_yaml, to_yaml
from crln.labels import LabelSpace
from crln.notebook import facts_html, times
from crln.planning.bounds import misfit
from crln.planning.learning import DraftsPlan, LossPlan, PretrainPlan, TeacherPlan, TrainingPlan
from crln.planning.sections import (
    InferencePlan,
    Intensity,
    NetworkPlan,
    Section,
    Triple,
    ViewsPlan,
)

__all__ = [
    "VERSION",
    "DraftsPlan",
    "InferencePlan",
    "Intensity",
    "LossPlan",
    "NetworkPlan",
    "Plan",
    "PretrainPlan",
    "Section",
    "TeacherPlan",
    "TrainingPlan",
    "Triple",
    "ViewsPlan",
    "options_of",
]

VERSION = 2
"""Of the format of plans; raised where an older reading would be a wrong one."""


class Plan(Section):
    """Everything a paper would list about one training, for one cohort.

    Attributes:
        spacing: voxel size in mm after resampling; None keeps every scan's own grid.
        patch_size: voxels along X, Y, Z; each a multiple of `step`.
        options: per method, the options that differ from that method's defaults.

    Examples:
        >>> plan = crln.Plan().updated({"training": {"iterations": 1000}})
        >>> plan.training.iterations
        1000
    """

    version: int = Field(
        default=VERSION, description=("of the format; plans of an older one still open")
    )
    name: str = Field(
        default="auto", description=("where the plan came from: a preset's name, or `auto`")
    )
    channels: tuple[str, ...] = Field(
        default=("image",),
        min_length=1,
        description=("a name per input channel, such as `CT` or `T1`"),
    )
    intensity: tuple[Intensity, ...] = Field(
        default=(Intensity(),), description="one entry per channel, see below"
    )
    labels: LabelSpace = Field(default=LabelSpace(), description="see below")
    spacing: tuple[float, float, float] | None = Field(
        default=None,
        description=(
            "voxel size in mm after resampling, along X, Y, Z; none keeps each scan's own grid"
        ),
    )
    network: NetworkPlan = Field(default=NetworkPlan(), description="see below")
    patch_size: Triple = Field(
        default=(64, 64, 64),
        validate_default=True,
        description=(
            "voxels along X, Y, Z that a training step sees; multiples of the "
            "network's strides together, 16 by default"
        ),
    )
    views: ViewsPlan = Field(default=ViewsPlan(), description="see below")
    loss: LossPlan = Field(default=LossPlan(), description="see below")
    teacher: TeacherPlan = Field(default=TeacherPlan(), description="see below")
    drafts: DraftsPlan = Field(default=DraftsPlan(), description="see below")
    pretrain: PretrainPlan = Field(default=PretrainPlan(), description="see below")
    training: TrainingPlan = Field(default=TrainingPlan(), description="see below")
    inference: InferencePlan = Field(default=InferencePlan(), description="see below")
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description=(
            "per method, the options that differ from that method's defaults, see "
            "below; the plan in a run folder names all of its method's"
        ),
    )

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
    def read(cls, path: Path | str) -> "Plan":
        """Reads a YAML or JSON plan.

        Raises:
            CrlnError: the file cannot be read, or a field is impossible (the field is named).
        """
        path = Path(path)
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
