"""How often and how strongly the rich views change a patch, and one channel's drawn changes."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crln.augmentation import intensity
from crln.augmentation.draws import factor, happens
from crln.planning.plan import Triple

NOISE = (0.0, 0.1)
BLUR_SIGMA = (0.5, 1.0)
FACTOR = (0.75, 1.25)
LOW_RESOLUTION = (0.5, 1.0)
GAMMA = (0.7, 1.5)


@dataclass(frozen=True)
class Recipe:
    """How often each change happens, and how far the geometry goes.

    Rotation, zoom and CutMix are drawn per sample; intensity changes per channel.

    Attributes:
        rotation: probability of turning by up to +-`degrees` about each allowed axis.
        degrees: the largest angle.
        zoom: probability of zooming by a factor from `zoom_range`.
        zoom_range: < 1 and > 1, equally often.
        noise: probability of noise, std up to 0.1 of the channel's.
        blur: probability of a blur, sigma 0.5..1 voxels per axis.
        brightness: probability of a factor 0.75..1.25.
        contrast: probability of a factor 0.75..1.25 about the mean.
        low_resolution: probability of losing up to half of the voxels along each axis.
        inverted_gamma: probability of an exponent 0.7..1.5 on the negative.
        gamma: probability of an exponent 0.7..1.5.
        cutmix: probability of receiving a box of another sample.
    """

    rotation: float = 0.2
    degrees: float = 30.0
    zoom: float = 0.2
    zoom_range: tuple[float, float] = (0.7, 1.4)
    noise: float = 0.0
    blur: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    low_resolution: float = 0.0
    inverted_gamma: float = 0.0
    gamma: float = 0.0
    cutmix: float = 0.0


# nnU-Net's, whose blur and low resolution skip half of the channels of a chosen sample.
LABELLED = Recipe(
    noise=0.1, blur=0.1, brightness=0.15, contrast=0.15,
    low_resolution=0.125, inverted_gamma=0.1, gamma=0.3,
)  # fmt: skip
WEAK = Recipe(degrees=15.0, zoom_range=(0.85, 1.2))
STRONG = Recipe(
    rotation=0.3, zoom=0.3, noise=0.3, blur=0.3, brightness=0.5, contrast=0.5,
    low_resolution=0.25, inverted_gamma=0.15, gamma=0.5, cutmix=1.0,
)  # fmt: skip


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
    recipe: Recipe, random: np.random.Generator, shape: Triple, coarse_axes: Collection[int] = ()
) -> Tint:
    """One channel's changes; resolution is not lowered along `coarse_axes`, where it is low."""

    def maybe(probability: float, bounds: tuple[float, float]) -> float | None:
        return factor(random, *bounds) if happens(random, probability) else None

    def kept() -> tuple[int, ...]:
        share = random.uniform(*LOW_RESOLUTION)
        return tuple(
            n if a in coarse_axes else max(1, round(n * share)) for a, n in enumerate(shape)
        )

    return Tint(
        noise=random.uniform(*NOISE) if happens(random, recipe.noise) else None,
        blur=tuple(random.uniform(*BLUR_SIGMA, 3)) if happens(random, recipe.blur) else None,
        brightness=maybe(recipe.brightness, FACTOR),
        contrast=maybe(recipe.contrast, FACTOR),
        low_resolution=kept() if happens(random, recipe.low_resolution) else None,
        inverted_gamma=maybe(recipe.inverted_gamma, GAMMA),
        gamma=maybe(recipe.gamma, GAMMA),
    )
