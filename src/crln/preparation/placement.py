"""From a scan's own grid to the plan's and back."""

from dataclasses import dataclass

import nibabel.orientations as orientations
import numpy as np

from crln.imaging import Volume
from crln.preparation.resample import (
    Shape,
    resample_argmax,
    resample_classes,
    resample_image,
    resample_linear,
)

THICK = 3.0
"""An axis whose voxels are this many times longer than the shortest is interpolated linearly."""

_RAS = np.array([[0, 1], [1, 1], [2, 1]])


@dataclass(frozen=True)
class Placement:
    """How the prepared grid lies in the scan's.

    Attributes:
        original: the scan's shape X, Y, Z in its own order of axes.
        turn: (3, 2), nibabel's orientation transform from the scan's axes to RAS.
        turned: the scan's shape in RAS order, before resampling.
        shape: the prepared shape.
        thick: which axes of the scan, in RAS order, have much longer voxels than the finest.
    """

    original: Shape
    turn: tuple[tuple[int, int], ...]
    turned: Shape
    shape: Shape
    thick: tuple[bool, ...] = (False, False, False)


def place(volume: Volume, spacing: tuple[float, float, float] | None) -> Placement:
    """Where a scan lies on a grid of `spacing` mm in RAS order; None keeps its own spacing."""
    turn = tuple(
        (int(axis), int(flip)) for axis, flip in orientations.io_orientation(volume.affine)
    )
    axes = np.argsort([axis for axis, _ in turn])  # the scan's axis that each RAS axis is
    turned = [volume.shape[axis] for axis in axes]
    own = [volume.spacing[axis] for axis in axes]
    shape = turned
    if spacing is not None:
        shape = [max(1, round(n * s / t)) for n, s, t in zip(turned, own, spacing, strict=True)]
    thick = tuple(s > THICK * min(own) for s in own)
    return Placement(volume.shape, turn, _shape(turned), _shape(shape), thick)


def image_to_plan_grid(image: np.ndarray, placement: Placement) -> np.ndarray:
    """One channel (X, Y, Z) of the scan in RAS order on the plan's grid, float32."""
    return resample_image(_turned(image, placement), placement.shape, placement.thick)


def classes_to_plan_grid(classes: np.ndarray, placement: Placement, number: int) -> np.ndarray:
    """Classes 0..number-1, (X, Y, Z), in RAS order on the plan's grid."""
    turned = _turned(classes, placement)
    if placement.turned == placement.shape:
        return np.ascontiguousarray(turned)
    return resample_classes(turned, placement.shape, number)


def restore_mask(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """Class per voxel of the scan from scores on the plan's grid.

    The argmax of linearly interpolated scores, a slab of planes at a time: no array of all classes
    on the scan's grid is ever made.

    Args:
        scores: (K, X, Y, Z) on the plan's grid.
        placement: of the scan.

    Returns:
        (X, Y, Z) uint8 on the scan's grid and in its order of axes.
    """
    return _turned_back(resample_argmax(scores, placement.turned), placement)


def restore_classes(classes: np.ndarray, placement: Placement, number: int) -> np.ndarray:
    """As `restore_mask`, from classes 0..number-1 (X, Y, Z) on the plan's grid."""
    if placement.turned != placement.shape:
        classes = resample_classes(classes, placement.turned, number)
    return _turned_back(classes, placement)


def restore_scores(scores: np.ndarray, placement: Placement) -> np.ndarray:
    """(K, X, Y, Z) on the plan's grid -> on the scan's, linearly, in float32."""
    result = np.empty((len(scores), *placement.original), np.float32)
    for k, score in enumerate(scores):
        if placement.turned != placement.shape:
            score = resample_linear(score, placement.turned)
        result[k] = _turned_back(score, placement)
    return result


def _turned(array: np.ndarray, placement: Placement) -> np.ndarray:
    """From the scan's order and direction of axes to RAS."""
    result: np.ndarray = orientations.apply_orientation(array, np.array(placement.turn))
    return result


def _turned_back(array: np.ndarray, placement: Placement) -> np.ndarray:
    back = orientations.ornt_transform(_RAS, np.array(placement.turn))
    return np.ascontiguousarray(orientations.apply_orientation(array, back))


def _shape(sides: list[int]) -> Shape:
    x, y, z = sides
    return x, y, z
