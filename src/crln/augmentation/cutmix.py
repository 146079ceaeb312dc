"""Boxes cut from one sample and pasted into another (CutMix, bidirectional copy-paste).

Boxes are drawn on the host and are plain integers, so pasting is slicing. The same `CutMix` is
applied to images, labels and confidence: whatever has the batch first and X, Y, Z last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crln.augmentation.views import IN_PLANE, happens
from crln.planning.plan import Triple

SOLID = (0, 1, 2)


@dataclass(frozen=True)
class Box:
    """Voxels `start` (included) to `stop` (excluded) along X, Y and Z."""

    start: Triple
    stop: Triple

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Indexes the last three axes."""
        x, y, z = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return x, y, z

    def mask(self, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """(X, Y, Z) bool: True inside the box."""
        mask = torch.zeros(tuple(shape), dtype=torch.bool, device=device)
        mask[self.slices] = True
        return mask


def _placed(random: np.random.Generator, shape: Sequence[int], sides: Sequence[int]) -> Box:
    """A box of given sides, uniformly somewhere wholly inside `shape`."""
    start = [
        int(random.integers(n - side, endpoint=True)) for n, side in zip(shape, sides, strict=True)
    ]
    stop = [a + side for a, side in zip(start, sides, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def draw_cutmix_box(
    random: np.random.Generator, shape: Sequence[int], axes: Sequence[int] = IN_PLANE
) -> Box:
    """A CutMix box: side fraction sqrt(1 - lambda) along `axes`, lambda ~ Beta(4, 4).

    It spans the full extent along the other axes. Sides are rounded to voxels, at least 1; the box
    lies wholly inside.

    Args:
        random: numpy generator (see `host_random`).
        shape: X, Y, Z.
        axes: those of a slice, such as `IN_PLANE` (X and Y, full depth), or `SOLID` (all three).
    """
    fraction = np.sqrt(1 - random.beta(4, 4))
    sides = [max(1, round(n * fraction)) if a in axes else n for a, n in enumerate(shape)]
    return _placed(random, shape, sides)


def draw_copy_paste_box(
    random: np.random.Generator, shape: Sequence[int], fraction: float = 2 / 3
) -> Box:
    """A box of floor(fraction * side) voxels along X, Y and Z (bidirectional copy-paste)."""
    return _placed(random, shape, [max(1, int(n * fraction)) for n in shape])


def swap_box(first: Tensor, second: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Bidirectional copy-paste: each with the inside of `box` taken from the other.

    Args:
        first: (..., X, Y, Z), not changed.
        second: of the same shape, not changed.
        box: what is exchanged.
    """
    inside = (..., *box.slices)
    first_mixed, second_mixed = first.clone(), second.clone()
    first_mixed[inside] = second[inside]
    second_mixed[inside] = first[inside]
    return first_mixed, second_mixed


@dataclass(frozen=True)
class CutMix:
    """Which box each sample receives, and from which sample of the batch.

    Attributes:
        boxes: one a sample; None: the sample stays as it is.
        partners: the sample of the batch that the box's content comes from.
    """

    boxes: tuple[Box | None, ...]
    partners: tuple[int, ...]

    def __call__(self, batch: Tensor) -> Tensor:
        """The mixed copy of (B, ..., X, Y, Z); partners are seen as they were before mixing."""
        mixed = batch.clone()
        for sample, (box, partner) in enumerate(zip(self.boxes, self.partners, strict=True)):
            if box is not None:
                inside = (..., *box.slices)
                mixed[sample][inside] = batch[partner][inside]
        return mixed


def draw_cutmix(
    random: np.random.Generator,
    batch: int,
    shape: Sequence[int],
    axes: Sequence[int] = IN_PLANE,
    probability: float = 1.0,
) -> CutMix:
    """A box and another sample of the batch for each of `batch` samples.

    The partner is a cyclic shift of the batch by 1..batch-1, so that every sample gives once. A
    batch of one has no other sample and is never mixed.

    Args:
        random: numpy generator (see `host_random`).
        batch: samples.
        shape: X, Y, Z of a sample.
        axes: see `draw_cutmix_box`.
        probability: that a sample is mixed.
    """
    shift = int(random.integers(1, batch)) if batch > 1 else 0
    boxes = tuple(
        draw_cutmix_box(random, shape, axes) if shift and happens(random, probability) else None
        for _ in range(batch)
    )
    return CutMix(boxes, tuple((sample + shift) % batch for sample in range(batch)))
