"""Masked images: blocks of a patch are hidden, and filled in from what is around them."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from crln.losses import full_precision
from crln.methods.batch import Batch, Step
from crln.methods.first_stages.stage import FirstStage
from crln.methods.first_stages.supervoxels import cell_counts

SHARE = 0.6
"""Of the blocks that are hidden (SimMIM, Xie et al., CVPR 2022: 0.5 to 0.6 of large ones)."""


class Masked(FirstStage):
    """Blocks of half the network's stride are set to 0; the mean error there is what it costs.

    L = sum_n mean_{v in H} |g_n(x without H)_v - x_v|, H the hidden voxels in the scan, g_n a
    network with a linear head (SimMIM; Chen et al., WACV 2023, for scans).
    """

    def cost(self, patches: Batch, step: Step) -> Tensor:
        """The error of what is filled in."""
        images, inside = self.weak_view(patches, step.generator("views", "cpu"))
        sides = [max(1, side // 2) for side in self.plan.step]
        generator = step.generator("hidden", images.device)
        hidden = hidden_blocks(images, sides, SHARE, generator)
        shown, counted = images.masked_fill(hidden, 0), hidden & inside[:, None]
        errors = [masked_error(network(shown), images, counted) for network in self.networks]
        return torch.stack(errors).sum()


def hidden_blocks(
    images: Tensor, sides: Sequence[int], share: float, generator: torch.Generator
) -> Tensor:
    """Which voxels of a batch are hidden, (B, 1, X, Y, Z), bool: blocks drawn for each patch.

    Args:
        images: (B, C, X, Y, Z).
        sides: voxels of a block along X, Y, Z.
        share: of a patch's blocks, rounded, that is hidden; at least one is, and one is not.
        generator: on the images' device.
    """
    batch, _, *shape = images.shape
    counts = cell_counts(shape, sides)
    total = prod(counts)
    hide = min(max(1, round(share * total)), max(1, total - 1))
    drawn = torch.rand(batch, total, generator=generator, device=images.device)
    blocks = drawn.argsort(1).argsort(1) < hide
    blocks = blocks.view(batch, 1, *counts)
    for axis, block in zip((-3, -2, -1), sides, strict=True):
        blocks = blocks.repeat_interleave(block, axis).narrow(axis, 0, shape[axis])
    return blocks


def masked_error(found: Tensor, images: Tensor, counted: Tensor) -> Tensor:
    """Mean |g - x| over the voxels that count, (B, 1, X, Y, Z) bool, and all channels."""
    errors = (full_precision(found) - images).abs() * counted
    return errors.sum() / (counted.sum() * images.shape[1]).clamp(min=1)
