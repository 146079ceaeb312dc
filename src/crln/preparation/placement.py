"""From a scan's own grid to the plan's and back."""

from collections.abc import Iterator
from dataclasses import dataclass

import nibabel.orientations as orientations
import numpy as np
from scipy import ndimage

from crln.imaging import Volume

ANTIALIAS = 1.5
"""An axis that shrinks by more than this is smoothed first, or thin structures alias away."""


@dataclass(frozen=True)
class Placement:
    """How the prepared grid lies in the scan's.

    Attributes:
        original: the scan's shape X, Y, Z in its own order of axes.
        turn: (3, 2), nibabel's orientation transform from the scan's axes to RAS.
        turned: the scan's shape in RAS order, before resampling.
        shape: the prepared shape.
    """

    original: tuple[int, int, int]
    turn: tuple[tuple[int, int], ...]
    turned: tuple[int, int, int]
    shape: tuple[int, int, int]


def place(volume: Volume, spacing: tuple[float, float, float] | None) -> Placement:
    """Where a scan lies on a grid of `spacing` mm in RAS order; None keeps its own spacing."""
    codes = orientations.io_orientation(volume.affine)
    turn = tuple((int(axis), int(flip)) for axis, flip in codes)
    order = [axis for axis, _ in turn]
    turned = [0, 0, 0]
    own = [0.0, 0.0, 0.0]
    for axis, target in enumerate(order):
        turned[target] = volume.shape[axis]
        own[target] = volume.spacing[axis]
    shape = list(turned)
    if spacing is not None:
        shape = [max(1, round(n * s / t)) for n, s, t in zip(turned, own, spacing, strict=True)]
    return Placement(volume.shape, turn, _triple(turned), _triple(shape))


def to_plan_grid(array: np.ndarray, placement: Placement, order: int) -> np.ndarray:
    """(X, Y, Z) on the scan's grid -> on the plan's.

    Args:
        array: in the scan's own order of axes.
        placement: from `place`.
        order: of the spline: 0 nearest, 1 linear, 3 cubic.
    """
    turned = orientations.apply_orientation(array, np.array(placement.turn))
    return resize(turned, placement.shape, order)


def to_scan_grid(array: np.ndarray, placement: Placement, order: int) -> np.ndarray:
    """The inverse of `to_plan_grid`."""
    return _turned_back(resize(array, placement.turned, order), placement)


def restore_mask(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """Class per voxel of the scan from scores on the plan's grid.

    Linear interpolation of the scores, then argmax, a slab of planes at a time: no array of all
    classes on the scan's grid is ever made.

    Args:
        scores: (K, X, Y, Z) on the plan's grid.
        placement: of the scan.

    Returns:
        (X, Y, Z) uint8 on the scan's grid and in its order of axes.
    """
    if placement.turned == placement.shape:
        return _turned_back(scores.argmax(0).astype(np.uint8), placement)
    mask = np.empty(placement.turned, np.uint8)
    for planes, slab in _slabs(scores, placement.turned):
        mask[planes] = slab.argmax(0)
    return _turned_back(mask, placement)


def restore_classes(classes: np.ndarray, placement: Placement, number: int) -> np.ndarray:
    """As `restore_mask`, from classes (X, Y, Z) on the plan's grid, in the memory of one class."""
    if placement.turned == placement.shape:
        return _turned_back(classes.astype(np.uint8), placement)
    best = np.full(placement.turned, -1.0, np.float32)
    mask = np.zeros(placement.turned, np.uint8)
    for k in range(number):
        score = resize((classes == k).astype(np.float32), placement.turned, 1)
        better = score > best
        best[better], mask[better] = score[better], k
    return _turned_back(mask, placement)


def restore_scores(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """(K, X, Y, Z) on the plan's grid -> on the scan's, linearly, in float32."""
    return np.stack([to_scan_grid(score, placement, 1) for score in scores])


def _slabs(
    scores: np.ndarray, shape: tuple[int, int, int], planes: int = 16
) -> Iterator[tuple[slice, np.ndarray]]:
    """Scores on a grid of `shape`, a few planes of the first axis at a time."""
    factor = scores.shape[1] / shape[0]
    for first in range(0, shape[0], planes):
        last = min(first + planes, shape[0])
        centre = (np.arange(first, last) + 0.5) * factor - 0.5
        low = np.floor(centre).astype(int)
        share = (centre - low).astype(np.float32)[:, None, None]
        top = scores.shape[1] - 1
        near, far = np.clip(low, 0, top), np.clip(low + 1, 0, top)
        slab = [
            resize(score[near] * (1 - share) + score[far] * share, (last - first, *shape[1:]), 1)
            for score in scores
        ]
        yield slice(first, last), np.stack(slab)


def resize(array: np.ndarray, shape: tuple[int, int, int], order: int) -> np.ndarray:
    """Resamples (X, Y, Z) so that the outer faces of the two grids coincide."""
    if array.shape == shape:
        return array
    factors = [old / new for old, new in zip(array.shape, shape, strict=True)]
    if order > 0 and max(factors) > ANTIALIAS:
        sigma = [0.5 * (f - 1) if f > ANTIALIAS else 0.0 for f in factors]
        array = ndimage.gaussian_filter(array, sigma)
    zoom = [new / old for old, new in zip(array.shape, shape, strict=True)]
    result: np.ndarray = ndimage.zoom(array, zoom, order=order, mode="nearest", grid_mode=True)
    return result


def _turned_back(array: np.ndarray, placement: Placement) -> np.ndarray:
    back = orientations.ornt_transform(
        np.array([[0, 1], [1, 1], [2, 1]]), np.array(placement.turn)
    )
    return np.ascontiguousarray(orientations.apply_orientation(array, back))


def _triple(values: list[int]) -> tuple[int, int, int]:
    x, y, z = values
    return x, y, z
