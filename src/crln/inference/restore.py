"""From the plan's grid to the scan's, a few planes at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crln.inference.sliding import Slab
from crln.planning.plan import Triple
from crln.preparation import Placement

PLANES = 16
"""Planes of the scan's grid in memory at once, for every class."""


def resample_slabs(slabs: Iterable[Slab], shape: Triple, target: Triple) -> Iterator[Slab]:
    """Linear interpolation of class probabilities, without holding more than a slab of them.

    The outer faces of both grids coincide, as `crln.preparation` has it.

    Args:
        slabs: ascending, together a grid of `shape`.
        shape: (X, Y, Z) of the grid that they are of.
        target: (X, Y, Z) of the grid to interpolate on.
    """
    if shape == target:
        yield from slabs
        return
    done, before = 0, None
    for slab in slabs:
        axis = slab.axis
        planes, first = slab.scores.movedim(axis + 1, 1), slab.start
        if before is not None:  # a plane between two slabs needs the last of the one before
            planes, first = torch.cat([before, planes], 1), first - 1
        before = planes[:, -1:].clone()
        across = [n for i, n in enumerate(target) if i != axis]
        last = first + planes.shape[1] - 1
        ready = _count_ready(last, shape[axis], target[axis])
        for start in range(done, ready, PLANES):
            wanted = torch.arange(start, min(start + PLANES, ready), device=planes.device)
            between = _along(planes, wanted, first, shape[axis] / target[axis], shape[axis])
            scores = F.interpolate(between.transpose(0, 1), across, mode="bilinear")
            yield Slab(axis, start, scores.transpose(0, 1).movedim(1, axis + 1))
        done = ready


def _count_ready(last: int, length: int, target: int) -> int:
    """How many target planes need no source plane beyond `last`."""
    if last == length - 1:
        return target
    centres = (np.arange(target) + 0.5) * length / target - 0.5
    return int(np.searchsorted(np.floor(centres) + 1, last, side="right"))


def _along(planes: Tensor, wanted: Tensor, first: int, factor: float, length: int) -> Tensor:
    """Target planes `wanted` from (K, n, ...), whose first is source plane `first`."""
    centre = ((wanted + 0.5) * factor - 0.5).clamp(0, length - 1)
    low = centre.floor()
    share = (centre - low)[:, None, None]
    near = low.long() - first
    far = (near + 1).clamp(max=planes.shape[1] - 1)
    return torch.lerp(planes[:, near], planes[:, far], share)


@dataclass(frozen=True)
class Outline:
    """A scan's classes and what may go with them, on the scan's own grid.

    Attributes:
        classes: (X, Y, Z), 0..K-1, in the smallest type that holds them.
        probabilities: (K, X, Y, Z) float32, or None.
        uncertainty: (X, Y, Z) float32, or None: entropy of the probabilities over log K, so that
            0 is certain and 1 undecided.
    """

    classes: np.ndarray
    probabilities: np.ndarray | None
    uncertainty: np.ndarray | None


def outline(
    slabs: Iterable[Slab],
    placement: Placement,
    classes: int,
    *,
    probabilities: bool = False,
    uncertainty: bool = False,
) -> Outline:
    """Reduces slabs of class probabilities to what is asked for, on the scan's grid.

    Args:
        slabs: of the prepared grid, ascending.
        placement: how that grid lies in the scan.
        classes: K.
        probabilities: keep them, all K.
        uncertainty: keep the entropy.
    """
    shape = placement.turned
    labels = np.empty(shape, np.min_scalar_type(classes - 1))
    scores = np.empty((classes, *shape), np.float32) if probabilities else None
    entropy = np.empty((1, *shape), np.float32) if uncertainty else None
    for slab in resample_slabs(slabs, placement.shape, shape):
        everywhere = (slice(None), *slab.index)
        labels[slab.index] = slab.scores.argmax(0).cpu().numpy()
        if scores is not None:
            scores[everywhere] = slab.scores.cpu().numpy()
        if entropy is not None:
            bits = torch.special.entr(slab.scores).sum(0, keepdim=True) / log(classes)
            entropy[everywhere] = bits.cpu().numpy()
    back = placement.grid.from_ras
    return Outline(
        np.ascontiguousarray(back(labels)),
        None if scores is None else np.ascontiguousarray(back(scores)),
        None if entropy is None else np.ascontiguousarray(back(entropy[0])),
    )
