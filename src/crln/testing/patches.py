"""Patches, plans' shapes and steps that every method is tried with."""

from typing import Any

import torch

from crln.labels import IGNORE
from crln.methods import Batch, Method, Step

THICK = {
    "patch_size": (16, 16, 8),
    "spacing": (1, 1, 4),
    "network": {
        "strides": [[2, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 2]],
        "kernels": [[3, 3, 1], [3, 3, 1], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
    },
}
"""Slices four times as thick as their pixels are wide."""
SLICE = {
    "patch_size": (32, 16, 1),
    "network": {"strides": [[2, 2, 1]] * 4, "kernels": [[3, 3, 1]] * 5},
}
"""One slice: two dimensions on the same code."""
ODD = {"patch_size": (48, 16, 5), "network": {"strides": [[2, 2, 1]] * 4}}
"""Three unequal sides, one of them an odd number of voxels."""
SHAPES: dict[str, dict[str, Any]] = {
    "odd": ODD, "thick": THICK, "slice": SLICE,
}  # fmt: skip

FIRST, LAST = Step(index=0, total=4, seed=0), Step(index=3, total=4, seed=0)


def make_batch(
    method: Method, seed: int, labelled: bool = True, size: int = 2, classes: int | None = None
) -> Batch:
    """Patches as the stream would cut them: what is bright has a class, a margin is outside.

    Args:
        method: gives channels, classes and what is read.
        seed: of the images.
        labelled: False: nobody knows a class.
        size: patches.
        classes: K, if not the plan's.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (size, len(method.plan.channels), *method.read_size)
    images = torch.randn(shape, generator=generator)
    kinds = torch.randint(1, classes or method.plan.classes, (size, 1, 1, 1), generator=generator)
    labels = (images[:, 0] > 0.5).long() * kinds
    inside = torch.ones_like(labels, dtype=torch.bool)
    inside[:, :2] = False
    if not labelled:
        return Batch(images, torch.full_like(labels, IGNORE), inside)
    return Batch(images, labels.masked_fill(~inside, IGNORE), inside)
