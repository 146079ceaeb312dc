"""The skeleton of a label, of all its classes at once.

A label names one class a voxel, so that a neighbour is within the class or without: what a map a
class would tell, one map of labels tells, in a time that does not grow with the classes.
"""

from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDS = 5
"""Of erosion in a skeleton: parts up to twice as many voxels thick come down to their middle."""

SMOOTH = 1.0
"""Added to both sides of a share, in voxels: a class that is not there teaches nothing."""

Axes = Sequence[int]


def skeleton(label: Tensor, axes: Axes, rounds: int = ROUNDS) -> Tensor:
    """What an opening removes of each class, layer by layer (Shit et al., CVPR 2021, algorithm 1).

    Args:
        label: (B, X, Y, Z), integers, 0 where no class is.
        axes: along which it has thickness.
        rounds: how many layers are taken off.

    Returns:
        (B, X, Y, Z), bool.

    Examples:
        >>> rod = torch.zeros(1, 5, 5, 9, dtype=torch.int16)
        >>> rod[..., 1:4, 1:4, 1:8] = 7
        >>> skeleton(rod, (0, 1, 2))[0, 2, 2, 2:7]
        tensor([True, True, True, True, True])
    """
    found = torch.zeros_like(label, dtype=torch.bool)
    for _ in range(rounds + 1):
        inner = _peeled(label, axes)
        found |= (label > 0) & ~_beside(inner, label, axes)
        label = inner
    return found


def tube(label: Tensor, axes: Axes) -> Tensor:
    """The skeleton of each class, widened by a voxel and kept within the class; as above."""
    return _beside(label * skeleton(label, axes), label, axes)


def recall(part: Tensor, own: Tensor, label: Tensor, classes: int) -> Tensor:
    """How much of a part of each class is predicted, (classes,).

    Args:
        part: (B, X, Y, Z), bool.
        own: (B, X, Y, Z), 0..1: the probability of the class that the label names.
        label: (B, X, Y, Z), integers, 0..classes, 0 where no class is.
        classes: how many there are.
    """
    place = label.flatten().long()
    sums = [
        own.new_zeros(classes + 1).scatter_add(0, place, voxels.flatten())[1:]
        for voxels in (own * part, part.to(own.dtype))
    ]
    return (sums[0] + SMOOTH) / (sums[1] + SMOOTH)


def skeleton_recall(own: Tensor, label: Tensor, classes: int, axes: Axes) -> Tensor:
    """1 - share of the label's tubed skeleton that is predicted, the mean over classes.

    Skeleton Recall (Kirchhoff et al., ECCV 2024, equation 2). Ours is made on the device; arguments
    as above.
    """
    with torch.no_grad():
        label = label.to(torch.int16 if classes < 2**15 else torch.int32)
        part = tube(label, axes)
    return 1 - recall(part, own, label, classes).mean()


def _peeled(label: Tensor, axes: Axes) -> Tensor:
    """The label without the voxels that have a face neighbour of another class, or of none."""
    kept = torch.ones_like(label, dtype=torch.bool)
    for dim in (axis + 1 for axis in axes):
        length = label.shape[dim]
        first, second = (0, length - 1), (1, length - 1)
        alike = label.narrow(dim, *first) == label.narrow(dim, *second)
        for side in (first, second):
            kept.narrow(dim, *side).logical_and_(alike)
    return label * kept


def _beside(inner: Tensor, label: Tensor, axes: Axes) -> Tensor:
    """Where one of the voxels around, or the voxel itself, has in `inner` the class of `label`."""
    padded = F.pad(inner, (1,) * 6)
    steps = [(0, 1, 2) if axis in axes else (1,) for axis in range(3)]
    found = torch.zeros_like(label, dtype=torch.bool)
    for step in product(*steps):
        around = padded
        for dim, (start, length) in enumerate(zip(step, label.shape[1:], strict=True), 1):
            around = around.narrow(dim, start, length)
        found |= around == label
    return found & (label > 0)
