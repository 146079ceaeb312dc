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

Reach = Literal[1, 3]
"""Voxels that a convolution sees along an axis: 1 where neighbours lie too far apart."""


class Section(BaseModel):
    """A part of a plan: unknown fields are refused, so that a typing error is not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Intensity(Section):
    """How one channel's values become the network's.

    `window`: clip to `low`..`high`, subtract `mean`, divide by `std` (CT; the cohort's statistics).
    `zscore`: each scan by its own mean and standard deviation. `minmax`: each scan to 0..1.
    `none`: as they are (the research archives come normalised).
    """

    scheme: Literal["window", "zscore", "minmax", "none"] = Field(
        default="zscore",
        description=(
            "`window`: clip to low..high, subtract mean, divide by std (CT). "
            "`zscore`: each scan by its own mean and standard deviation. `minmax`: "
            "each scan to 0..1. `none`: as they are"
        ),
    )
    low: float | None = Field(default=None, description="lower end of the window")
    high: float | None = Field(default=None, description="upper end of the window")
    mean: float | None = Field(
        default=None, description=("subtracted after clipping; of the cohort")
    )
    std: float | None = Field(
        default=None, gt=0, description="divided by after that; of the cohort"
    )

    @model_validator(mode="after")
    def _window_is_complete(self) -> Self:
        if self.scheme == "window" and None in (self.low, self.high, self.mean, self.std):
            raise ValueError("the intensity scheme 'window' needs low, high, mean and std")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low, {self.low:g}, must be below high, {self.high:g}")
        return self


class NetworkPlan(Section):
    """The backbone and what CRLN adds to it (docs/explanation/method.md, section 2)."""

    kind: str = Field(
        default="vnet",
        description=(
            "backbone: `vnet`; `resenc`, with a residual encoder; `unet`; or what an installed "
            "package adds"
        ),
    )
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(16, 32, 64, 128, 256), min_length=2, description="channels per level, finest first"
    )
    strides: tuple[tuple[Halving, Halving, Halving], ...] = Field(
        default=((2, 2, 2),) * 4,
        validate_default=True,
        description=(
            "from each level to the next, along X, Y, Z: 2 halves, 1 keeps the "
            "voxels; for thick slices `[[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, "
            "2]]`"
        ),
    )
    kernels: tuple[tuple[Reach, Reach, Reach], ...] | None = Field(
        default=None,
        description=(
            "of each level's convolutions along X, Y, Z, finest first, 3 or 1; none: 3 "
            "everywhere; for thick slices `[[3, 3, 1], [3, 3, 1], [3, 3, 3], [3, 3, 3], "
            "[3, 3, 3]]`"
        ),
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description=(
            "probability that a channel is dropped, after the bottleneck and before"
            " the heads; the paper presets state the papers' (0.5 or 0.3), for "
            "40,000 steps; [measured](../explanation/decisions/dropout.md)"
        ),
    )
    embedding: int = Field(default=16, ge=1, description="E, width of the contrastive embedding")
    prototypes: int = Field(default=4, ge=1, description="N, prototypes per class")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description=("what else the network takes: `resenc`, below, or that of a package"),
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

    @field_validator("kernels")
    @classmethod
    def _a_kernel_a_level(
        cls, kernels: tuple[Triple, ...] | None, info: ValidationInfo
    ) -> tuple[Triple, ...] | None:
        due = len(info.data.get("widths", ()))
        if kernels is not None and due and len(kernels) != due:
            raise ValueError(f"{due} widths need {due} kernels, got {len(kernels)}")
        return kernels

    def kernel(self, level: int) -> Triple:
        """Of a level's convolutions along X, Y, Z; 0 is the finest."""
        return (3, 3, 3) if self.kernels is None else self.kernels[level]

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

    kind: str = Field(
        default="rich",
        description=(
            "`rich`: what nnU-Net does to a patch; `paper`: the paper's views; or "
            "what an installed package adds"
        ),
    )
    mirror_axes: Axes = Field(
        default=(),
        description=(
            "array axes (0, 1, 2 of X, Y, Z) along which patches may be mirrored; "
            "empty where left and right must not swap"
        ),
    )
    rotate90: bool = Field(default=False, description="90-degree turns in the X-Y plane")
    brightness: bool = Field(
        default=True, description=("weak view of `paper`: its brightness changes")
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "numbers of these views that differ from their defaults; the plan in a "
            "run folder names all of them"
        ),
    )

    @field_validator("kind")
    @classmethod
    def _views_are_installed(cls, kind: str) -> str:
        return _installed(VIEWS, kind)


class InferencePlan(Section):
    """Sliding-window prediction.

    `stride` in voxels wins over `overlap` (the share of a window that its neighbour covers too).
    """

    stride: Steps | None = Field(
        default=None, description=("voxels between windows along X, Y, Z; wins over `overlap`")
    )
    overlap: float = Field(
        default=0.5, ge=0, lt=1, description=("share of a window that its neighbour covers too")
    )
    weighting: Literal["uniform", "gaussian"] = Field(
        default="gaussian",
        description=("of a window's voxels when windows are averaged: `gaussian` or `uniform`"),
    )
    mirror_axes: Axes = Field(
        default=(), description=("average over mirrored predictions along these axes")
    )


def _installed(registry: Registry, name: str) -> str:
    if name not in registry:
        raise ValueError(f"no {registry.noun} {name!r}; choose one of {', '.join(registry)}")
    return name
