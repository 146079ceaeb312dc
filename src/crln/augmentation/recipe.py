"""How often and how strongly the rich views change a patch, and one channel's drawn changes."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from crln.augmentation import intensity
from crln.augmentation.bend import FOLDS
from crln.augmentation.views import factor, happens
from crln.planning.plan import Section, Triple

Range = tuple[float, float]


class Recipe(Section):
    """How often each change happens, and how far the geometry goes.

    Rotation, zoom, bending and CutMix are drawn per sample; intensity changes per channel.
    """

    rotation: float = Field(default=0.2, ge=0, le=1, description="how often: turned")
    degrees: float = Field(default=30.0, ge=0, description="largest angle about each allowed axis")
    zoom: float = Field(default=0.2, ge=0, le=1, description="how often: zoomed")
    zoom_range: Range = Field(default=(0.7, 1.4), description="< 1 and > 1, equally often")
    bend: float = Field(default=0.0, ge=0, le=1, description="how often: bent elastically")
    noise: float = Field(default=0.0, ge=0, le=1, description="how often: noise")
    blur: float = Field(default=0.0, ge=0, le=1, description="how often: blur")
    brightness: float = Field(default=0.0, ge=0, le=1, description="how often: a factor")
    contrast: float = Field(
        default=0.0, ge=0, le=1, description="how often: a factor about the mean"
    )
    low_resolution: float = Field(
        default=0.0, ge=0, le=1, description="how often: voxels lost along each axis"
    )
    inverted_gamma: float = Field(
        default=0.0, ge=0, le=1, description="how often: an exponent on the negative"
    )
    gamma: float = Field(default=0.0, ge=0, le=1, description="how often: an exponent")
    cutmix: float = Field(default=0.0, ge=0, le=1, description="how often: a box of another sample")


class RichOptions(Section):
    """What nnU-Net does to a labelled patch, milder for a weak view and stronger for a strong one.

    Labelled: nnU-Net's, whose blur and low resolution skip half of the channels of a chosen sample.
    With the margin, 2 % of a labelled view's voxels lie outside on average, 0.3 % of a weak view's,
    for twice the patch's voxels read; without one 9 and 8 %.
    """

    labelled: Recipe = Field(
        default=Recipe(
            noise=0.1, blur=0.1, brightness=0.15, contrast=0.15,
            low_resolution=0.125, inverted_gamma=0.1, gamma=0.3,
        ),
        description="of what labels teach on; see below",
    )  # fmt: skip
    weak: Recipe = Field(
        default=Recipe(degrees=15.0, zoom_range=(0.85, 1.2)),
        description="of what the teacher labels; see below",
    )
    strong: Recipe = Field(
        default=Recipe(
            rotation=0.3, zoom=0.3, noise=0.3, blur=0.3, brightness=0.5, contrast=0.5,
            low_resolution=0.25, inverted_gamma=0.15, gamma=0.5, cutmix=1.0,
        ),
        description="on top of weak, of what the student sees; see below",
    )  # fmt: skip
    noise: Range = Field(default=(0.0, 0.1), description="std, as a share of the channel's")
    blur: Range = Field(default=(0.5, 1.0), description="sigma in voxels along each axis")
    brightness: Range = Field(default=(0.75, 1.25), description="factor")
    contrast: Range = Field(default=(0.75, 1.25), description="factor about the mean")
    low_resolution: Range = Field(default=(0.5, 1.0), description="share of voxels kept")
    gamma: Range = Field(default=(0.7, 1.5), description="exponent")
    bend_distance: float = Field(
        default=16, gt=0, description="voxels between the points that bending moves"
    )
    bend_reach: float = Field(
        default=0.25,
        ge=0,
        lt=FOLDS,
        description="how far at most, as a share of that distance; below 0.4 nothing folds",
    )
    margin: float = Field(
        default=1 / 8, ge=0, description="read on each side for rotation and zoom, share of a patch"
    )
    anisotropy: float = Field(
        default=3, ge=1, description="more uneven patches and spacings turn about one axis only"
    )


@dataclass(frozen=True)
class Tint:
    """What happens to one channel's intensities, in this order (nnU-Net's); None: nothing.

    Attributes:
        noise: std, as a share of the channel's.
        blur: sigma in voxels along X, Y, Z.
        brightness: factor.
        contrast: factor about the mean.
        low_resolution: how many voxels along X, Y, Z are kept.
        inverted_gamma: exponent, on the negative.
        gamma: exponent.
    """

    noise: float | None = None
    blur: tuple[float, ...] | None = None
    brightness: float | None = None
    contrast: float | None = None
    low_resolution: tuple[int, ...] | None = None
    inverted_gamma: float | None = None
    gamma: float | None = None

    def __call__(self, channel: Tensor, noise: torch.Generator) -> Tensor:
        """The changed (X, Y, Z); `noise` is a generator on its device."""
        if self.noise is not None:
            channel = intensity.add_noise(channel, self.noise, noise)
        if self.blur is not None:
            channel = intensity.blur(channel, self.blur)
        if self.brightness is not None:
            channel = channel * self.brightness
        if self.contrast is not None:
            channel = intensity.scale_contrast(channel, self.contrast)
        if self.low_resolution is not None:
            channel = intensity.low_resolution(channel, self.low_resolution)
        if self.inverted_gamma is not None:
            channel = intensity.gamma(channel, self.inverted_gamma, invert=True)
        if self.gamma is not None:
            channel = intensity.gamma(channel, self.gamma)
        return channel


def draw_tint(
    options: RichOptions,
    recipe: Recipe,
    random: np.random.Generator,
    shape: Triple,
    coarse_axes: Collection[int] = (),
    slices: int | None = None,
) -> Tint:
    """One channel's changes.

    Args:
        options: how far they go.
        recipe: how often they happen.
        random: a numpy generator.
        shape: X, Y, Z of the patch.
        coarse_axes: resolution is not lowered along these, where it is low.
        slices: along this axis nothing is blurred: its voxels are slices far apart.
    """

    def maybe(probability: float, bounds: Range) -> float | None:
        return factor(random, *bounds) if happens(random, probability) else None

    def kept() -> tuple[int, ...]:
        share = random.uniform(*options.low_resolution)
        return tuple(
            n if a in coarse_axes else max(1, round(n * share)) for a, n in enumerate(shape)
        )

    def sigmas() -> tuple[float, ...]:
        drawn = random.uniform(*options.blur, 3)
        return tuple(0.0 if axis == slices else sigma for axis, sigma in enumerate(drawn))

    return Tint(
        noise=random.uniform(*options.noise) if happens(random, recipe.noise) else None,
        blur=sigmas() if happens(random, recipe.blur) else None,
        brightness=maybe(recipe.brightness, options.brightness),
        contrast=maybe(recipe.contrast, options.contrast),
        low_resolution=kept() if happens(random, recipe.low_resolution) else None,
        inverted_gamma=maybe(recipe.inverted_gamma, options.gamma),
        gamma=maybe(recipe.gamma, options.gamma),
    )
