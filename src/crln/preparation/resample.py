"""From one grid of voxels to another: the outer faces of the two coincide.

Interpolation is separable: along each axis it is one small matrix, of which a row holds what each
voxel of the source counts for one of the target.
"""

from functools import lru_cache

import numpy as np

from crln.imaging import Shape
from crln.labels import IGNORE

PLANES = 16
"""Planes of the target grid worked on at a time where classes compete: bounds the memory."""

Box = tuple[slice, slice, slice]

BLOCK = 32
"""Rows of a matrix in one product. They reach a short run of the source alone; the zeros beside it
are left out."""


@lru_cache(maxsize=64)
def axis_matrix(
    length: int, target: int, *, cubic: bool = False, widen: bool = False
) -> np.ndarray:
    """What each of `length` voxels counts for each of `target`, (target, length) float32.

    Target voxel i has its centre at (i + 1/2) length / target - 1/2 of the source. Rows sum to 1:
    beyond the centres of the outermost voxels their values go on.

    Args:
        length: voxels of the source along the axis.
        target: voxels of the target along it.
        cubic: cubic convolution (Keys 1981, a = -1/2) instead of linear interpolation.
        widen: where the axis shrinks, the kernel widens as much, against aliasing.
    """
    centres = (np.arange(target) + 0.5) * length / target - 0.5
    stretch = max(length / target, 1.0) if widen else 1.0
    away = np.abs(np.arange(length) - centres[:, None]) / stretch
    weights = _keys(away) if cubic else np.maximum(1 - away, 0)
    matrix: np.ndarray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)  # it is shared
    return matrix


def _keys(t: np.ndarray) -> np.ndarray:
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def along(array: np.ndarray, matrix: np.ndarray, axis: int) -> np.ndarray:
    """One axis of an array (..., X, Y, Z) float32 interpolated by its matrix.

    Args:
        array: the source.
        matrix: (target, length), of `axis_matrix`.
        axis: 0, 1 or 2: X, Y or Z.
    """
    shape = list(array.shape)
    shape[axis - 3] = len(matrix)
    result = np.empty(shape, np.float32)
    source, target = array, result
    if axis == 0:  # the other two as one: fewer and larger products
        source, target = (a.reshape(*a.shape[:-2], -1) for a in (array, result))
    for start in range(0, len(matrix), BLOCK):
        rows = slice(start, start + BLOCK)
        reached = np.flatnonzero(matrix[rows].any(0))
        run = slice(reached[0], reached[-1] + 1)
        block = np.ascontiguousarray(matrix[rows, run])
        if axis == 2:
            np.matmul(source[..., run], block.T, out=target[..., rows])
        else:
            np.matmul(block, source[..., run, :], out=target[..., rows, :])
    return result


def axes_to_resample(shape: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
    """The axes whose length changes; that which shrinks most first: less is left to the others."""
    changed = [axis for axis in range(3) if shape[axis] != target[axis]]
    return sorted(changed, key=lambda axis: target[axis] / shape[axis])


def resample_image(
    array: np.ndarray, shape: Shape, linear: tuple[bool, ...] = (False, False, False)
) -> np.ndarray:
    """Cubic convolution along each axis; where one shrinks, its kernel widens against aliasing.

    Args:
        array: (X, Y, Z) float32.
        shape: of the target.
        linear: axes to interpolate linearly: a cubic overshoots between slices far apart.

    Returns:
        `shape`, float32.
    """
    values = np.ascontiguousarray(array, np.float32)
    for axis in axes_to_resample(array.shape, shape):
        matrix = axis_matrix(array.shape[axis], shape[axis], cubic=not linear[axis], widen=True)
        values = along(values, matrix, axis)
    return values


def resample_classes(classes: np.ndarray, shape: Shape, number: int) -> np.ndarray:
    """Each class (X, Y, Z) interpolated linearly, the largest wins: smoother than the nearest.

    A class is worked on where it is, a slab of planes at a time: no array of all classes is ever
    made. What the others leave of 1 is the background's.

    Args:
        classes: 0..number-1.
        shape: of the target.
        number: K.
    """
    from scipy.ndimage import find_objects

    result = np.zeros(shape, np.min_scalar_type(number - 1))
    matrices = [axis_matrix(n, m) for n, m in zip(classes.shape, shape, strict=True)]
    boxes = find_objects(classes, max_label=number - 1)
    for start in range(0, shape[0], PLANES):
        slab = [matrices[0][start : start + PLANES], *matrices[1:]]
        winner = result[start : start + PLANES]
        best, left = np.zeros(winner.shape, np.float32), np.ones(winner.shape, np.float32)
        for k, box in enumerate(boxes, 1):
            target = box and tuple(_run(m[:, run]) for m, run in zip(slab, box, strict=True))
            if target and best[target].size:
                score = _score(classes[box] == k, slab, box, target)
                winner[target][score > best[target]] = k
                np.maximum(best[target], score, out=best[target])
                left[target] -= score
        winner[left >= best] = 0
    return result


def _score(of_class: np.ndarray, matrices: list[np.ndarray], box: Box, target: Box) -> np.ndarray:
    """A class in a box of the source (bool), interpolated to a box of the target."""
    score = of_class.astype(np.float32)
    parts = [m[rows, run] for m, rows, run in zip(matrices, target, box, strict=True)]
    for axis in sorted(range(3), key=lambda axis: parts[axis].shape[0] / parts[axis].shape[1]):
        score = along(score, parts[axis], axis)
    return score


def _run(matrix: np.ndarray) -> slice:
    """The rows from the first to the last that are not 0."""
    rows = np.flatnonzero(matrix.any(1))
    return slice(rows[0], rows[-1] + 1) if len(rows) else slice(0)


def thin_classes(classes: np.ndarray, axis: int, target: int) -> np.ndarray:
    """Fewer slices: each voxel is of the known class nearest to its centre among those it covers.

    Interpolated, slices that somebody outlined would drown in what lies between them.

    Args:
        classes: (X, Y, Z), class or IGNORE.
        axis: that shrinks.
        target: slices of the result.

    Returns:
        `target` along the axis; IGNORE where nothing that a voxel covers is known.
    """
    length = classes.shape[axis]
    covered = length / target
    centres = ((np.arange(target) + 0.5) * covered - 0.5)[:, None]
    sources = np.ceil(centres - covered / 2).astype(int) + np.arange(int(covered) + 2)
    away = np.abs(sources - centres)
    away[(away > covered / 2) | (sources < 0) | (sources >= length)] = np.inf
    order = np.argsort(away, 1, kind="stable")
    shape = list(classes.shape)
    shape[axis] = target
    thinned = np.full(shape, IGNORE, classes.dtype)
    for rank in order.T:
        each = np.arange(target)
        reached = np.flatnonzero(np.isfinite(away[each, rank]))
        here = np.moveaxis(thinned, axis, 0)
        found = np.moveaxis(classes, axis, 0)[sources[each, rank][reached]]
        here[reached] = np.where(here[reached] == IGNORE, found, here[reached])
    return thinned
