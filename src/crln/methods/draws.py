"""Voxels drawn at random from those of each class, without waiting for the device."""

from collections.abc import Callable

import torch
from torch import Tensor

Drawn = tuple[Tensor, Tensor]
"""Flat indices into (B, X, Y, Z), (K, draws), and of which classes there are any, (K,) bool."""


def draw_voxels(classes: Tensor, number: int, draws: int, generator: torch.Generator) -> Drawn:
    """Voxels of each class, uniformly and with replacement, without waiting for a count.

    One pass counts every class along every line of voxels in Z. The running sum of the counts
    leads from a random rank to its line, the line's own running sum to its voxel.

    Args:
        classes: (B, X, Y, Z), int64, class or IGNORE.
        number: K.
        draws: per class.
        generator: on the same device.

    Returns:
        Flat indices into (B, X, Y, Z), (K, draws), and which classes there are, (K,) bool. An
        absent class gets voxels from anywhere, so that it does not tilt norm statistics.
    """
    lines = classes.flatten(0, 2)  # (L, Z)
    depth = lines.shape[1]
    one = torch.ones((), dtype=torch.int32, device=lines.device)
    counts = one.new_zeros(len(lines), number + 1)  # IGNORE, -1, is counted in column 0
    counts = counts.scatter_add_(1, lines + 1, one.expand_as(lines))[:, 1:].T  # (K, L)
    wanted = torch.arange(number, device=lines.device)[:, None, None]
    return _pick(counts, lambda line: lines[line] == wanted, depth, draws, generator)


def draw_of_each(masks: Tensor, draws: int, generator: torch.Generator) -> Drawn:
    """Voxels of each mask, as `draw_voxels` draws those of each class.

    Args:
        masks: (K, B, X, Y, Z) bool.
        draws: per mask.
        generator: on the same device.

    Returns:
        Flat indices into (B, X, Y, Z), (K, draws), and which masks hold any, (K,) bool.
    """
    lines = masks.flatten(1, 3)  # (K, L, Z)
    each = torch.arange(len(lines), device=lines.device)[:, None]
    counts = lines.sum(2, dtype=torch.int32)
    return _pick(counts, lambda line: lines[each, line], lines.shape[2], draws, generator)


def _pick(
    counts: Tensor,
    members: Callable[[Tensor], Tensor],
    depth: int,
    draws: int,
    generator: torch.Generator,
) -> Drawn:
    """Draws voxels of each class, as `draw_voxels`, from where they are along lines.

    Args:
        counts: (K, L), voxels of each class in each line.
        members: which voxels of lines (K, draws) are of each class: (K, draws, Z) bool.
        depth: Z.
        draws: per class.
        generator: on the same device.
    """
    until = counts.cumsum(1)
    total = until[:, -1:]
    shape, device = (len(counts), draws), counts.device
    # float32 has too few values to reach every voxel of a large batch equally often; Apple's GPUs
    # have no other
    kind = torch.float32 if device.type == "mps" else torch.float64
    draw = torch.rand(shape, generator=generator, device=device, dtype=kind)
    rank = (draw * total).long()
    line = torch.searchsorted(until, rank, right=True).clamp(max=counts.shape[1] - 1)
    rank = rank - (until - counts).gather(1, line)
    before = members(line).cumsum(2) <= rank[..., None]  # (K, draws, Z)
    found = line * depth + before.sum(2)
    return torch.where(total > 0, found, (draw * counts.shape[1] * depth).long()), total[:, 0] > 0
