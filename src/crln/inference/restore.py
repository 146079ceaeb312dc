"""From the plan's grid to the scan's, a few planes at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor

from crln.imaging import Grid
from crln.inference.sliding import Slab
from crln.labels import LabelSpace
from crln.planning.plan import Triple
from crln.preparation import Placement
from crln.preparation.resample import along, axes_to_resample, axis_matrix

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
    matrices = [axis_matrix(n, m) for n, m in zip(shape, target, strict=True)]
    done, before = 0, None
    for slab in slabs:
        axis, dim = slab.axis, slab.axis + 1
        planes, first = slab.scores, slab.start
        if before is not None:  # a plane between two slabs needs the last of the one before
            planes, first = torch.cat([before, planes], dim), first - 1
        last = first + planes.shape[dim] - 1
        before = planes.narrow(dim, last - first, 1).clone()
        ready = _count_ready(matrices[axis], last)
        for start in range(done, ready, PLANES):
            rows = matrices[axis][start : min(start + PLANES, ready)]
            reached = np.flatnonzero(rows.any(0))
            low, high = int(reached[0]), int(reached[-1]) + 1
            scores = _along(planes.narrow(dim, low - first, high - low), rows[:, low:high], axis)
            for other in axes_to_resample(shape, target):
                if other != axis:
                    scores = _along(scores, matrices[other], other)
            yield Slab(axis, start, scores)
        done = ready


def _count_ready(matrix: np.ndarray, last: int) -> int:
    """How many target planes, the rows of `matrix`, need no source plane beyond `last`."""
    furthest = matrix.shape[1] - 1 - (matrix[:, ::-1] > 0).argmax(1)
    return int(np.searchsorted(furthest, last, side="right"))


def _along(scores: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """One axis of scores (K, X, Y, Z) interpolated, where they are."""
    if scores.device.type == "cpu":
        return torch.from_numpy(along(scores.numpy(), matrix, axis))
    return _along_there(scores, torch.from_numpy(np.array(matrix)).to(scores.device), axis)


def _along_there(scores: Tensor, weights: Tensor, axis: int) -> Tensor:
    """The same in one product, as suits a GPU."""
    return torch.tensordot(scores, weights, ([axis + 1], [1])).movedim(-1, axis + 1)


@dataclass(frozen=True)
class Restored:
    """A scan's classes and what may go with them, on the scan's own grid.

    Attributes:
        classes: (X, Y, Z), 0..K-1 or combinations, in the smallest type that holds them.
        probabilities: (K, X, Y, Z) float32, or None.
        uncertainty: (X, Y, Z) float32, or None: entropy of the probabilities over log K, so that
            0 is certain and 1 undecided; of overlapping classes the mean over each one's, in bits.
        doubt: (X,), (Y,) and (Z,) float32, wrong voxels to expect in each slice along each axis.
        maps: (M, X, Y, Z) float16, the channels after those of the classes; 0 of them as a rule.
    """

    classes: np.ndarray
    probabilities: np.ndarray | None
    uncertainty: np.ndarray | None
    doubt: tuple[np.ndarray, np.ndarray, np.ndarray]
    maps: np.ndarray


def outline(
    slabs: Iterable[Slab],
    placement: Placement,
    labels: LabelSpace,
    *,
    probabilities: bool = False,
    uncertainty: bool = False,
    maps: int = 0,
) -> Restored:
    """Reduces slabs of class probabilities to what is asked for, on the scan's grid.

    Args:
        slabs: of the prepared grid, ascending.
        placement: how that grid lies in the scan.
        labels: decide which class a voxel is of.
        probabilities: keep them, all K.
        uncertainty: keep the entropy.
        maps: how many channels follow those of the classes.
    """
    shape = placement.turned
    classes = np.empty(shape, np.min_scalar_type(labels.highest))
    scores = np.empty((labels.classes, *shape), np.float32) if probabilities else None
    entropy = np.empty((1, *shape), np.float32) if uncertainty else None
    others = np.empty((maps, *shape), np.float16)
    doubt = [np.zeros(side, np.float32) for side in shape]
    for slab in resample_slabs(slabs, placement.shape, shape):
        everywhere = (slice(None), *slab.index)
        found = slab.scores[: labels.classes] if maps else slab.scores
        classes[slab.index] = labels.decide(found, 0).cpu().numpy()
        wrong = _wrong(found, labels)
        for axis, (total, planes) in enumerate(zip(doubt, slab.index, strict=True)):
            total[planes] += wrong.sum([other for other in range(3) if other != axis]).cpu().numpy()
        if scores is not None:
            scores[everywhere] = found.cpu().numpy()
        if entropy is not None:
            entropy[everywhere] = _disorder(found, labels).cpu().numpy()
        if maps:
            others[everywhere] = slab.scores[labels.classes :].cpu().numpy()
    back = placement.grid.from_ras
    return Restored(
        np.ascontiguousarray(back(classes)),
        None if scores is None else np.ascontiguousarray(back(scores)),
        None if entropy is None else np.ascontiguousarray(back(entropy[0])),
        _turned_back(doubt, placement.grid),
        np.ascontiguousarray(back(others)),
    )


def _wrong(scores: Tensor, labels: LabelSpace) -> Tensor:
    """Of probabilities (K, X, Y, Z), (X, Y, Z): how probable it is that the decision is wrong.

    Of overlapping classes the sum over each one's.
    """
    if labels.exclusive:
        return 1 - scores.amax(0)
    each = scores[1:]
    return torch.minimum(each, 1 - each).sum(0)


def _turned_back(sums: list[np.ndarray], grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One array along each axis of RAS -> along each axis of the scan, in its direction."""
    x, y, z = (sums[axis][::flip].copy() for axis, flip in grid.turn)
    return x, y, z


def _disorder(scores: Tensor, labels: LabelSpace) -> Tensor:
    """Of probabilities (K, X, Y, Z), (1, X, Y, Z), 0 to 1."""
    if labels.exclusive:
        return torch.special.entr(scores).sum(0, keepdim=True) / log(labels.classes)
    each = scores[1:]
    both = torch.special.entr(each) + torch.special.entr(1 - each)
    return both.mean(0, keepdim=True) / log(2)
