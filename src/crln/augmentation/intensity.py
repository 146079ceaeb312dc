"""Changes of one channel's intensities, (X, Y, Z) in and out, by numbers drawn beforehand.

nnU-Net's, made indifferent to the scale of the values (z-scores, 0..1 or raw): noise is relative
to the patch's own standard deviation, contrast and gamma act within its own range. Inputs stay as
they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from crln.augmentation.separable import separable

EPSILON = 1e-7
"""Keeps a constant patch from dividing by zero."""


def add_noise(channel: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Adds Gaussian noise whose std is `strength` times the channel's."""
    noise = torch.empty_like(channel).normal_(generator=generator)
    return noise.mul_(channel.std() * strength).add_(channel)


def blur(channel: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur, sigma in voxels along X, Y, Z; weights are scaled to 1 at the border.

    An axis of sigma 0 stays as it is.
    """
    matrices: list[Tensor | None] = []
    for side, sigma in zip(channel.shape, sigmas, strict=True):
        if not sigma:
            matrices.append(None)
            continue
        voxel = torch.arange(side, device=channel.device, dtype=channel.dtype) / sigma
        weights = (-0.5 * (voxel[:, None] - voxel) ** 2).exp()
        matrices.append(weights / weights.sum(1, keepdim=True))
    return separable(channel[None], matrices)[0]


def low_resolution(channel: Tensor, sides: Sequence[int]) -> Tensor:
    """What is left after `sides` voxels along X, Y, Z: nearest down, linear up again."""
    matrices = []
    for side, low in zip(channel.shape, sides, strict=True):
        voxel = torch.arange(side, device=channel.device)
        position = ((voxel + 0.5) * (low / side) - 0.5).clamp(0, low - 1)
        before = position.floor()
        after = (before + 1).clamp(max=low - 1)
        share = (position - before)[:, None]
        first, second = (((p + 0.5) * (side / low)).floor() for p in (before, after))
        matrices.append(
            (first[:, None] == voxel) * (1 - share) + (second[:, None] == voxel) * share
        )
    return separable(channel[None], matrices)[0]


def scale_contrast(channel: Tensor, factor: float) -> Tensor:
    """Stretches about the mean by `factor`, clipped to the range that was there."""
    low, high = torch.aminmax(channel)
    mean = channel.mean()
    return torch.lerp(mean, channel, factor).clamp_(low, high)


def gamma(channel: Tensor, exponent: float, *, invert: bool = False) -> Tensor:
    """Raises the channel, its range scaled to 0..1, to `exponent`; mean and std are kept.

    Args:
        channel: (X, Y, Z).
        exponent: > 1 darkens.
        invert: act on the negative.
    """
    std, mean = torch.std_mean(channel)
    low, high = torch.aminmax(channel)
    span = high - low + EPSILON
    unit = (high - channel).div_(span) if invert else (channel - low).div_(span)
    curved = unit.pow_(exponent)
    curved_std, curved_mean = torch.std_mean(curved)
    scale = std / (curved_std + EPSILON)
    return curved.sub_(curved_mean).mul_(-scale if invert else scale).add_(mean)
