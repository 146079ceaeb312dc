"""Outlines that lie on their scan in another order of axes, or on a part of it."""

import numpy as np

from crln.imaging.grid import Grid, apart

_WHOLE = 0.1
"""Of a voxel: how far from the scan's own voxels those of a label may lie."""


def reordered(array: np.ndarray, grid: Grid, like: Grid) -> tuple[np.ndarray, Grid]:
    """An array (X, Y, Z) in the order and direction of the axes of another grid.

    Nothing is interpolated: where the axes of the two are not the same but for order and
    direction, or a grid is unknown, all stays as it is.
    """
    if grid.affine is None or like.affine is None or _where_read_otherwise(grid, like):
        return array, grid
    steps = np.linalg.inv(like.affine)[:3, :3] @ grid.affine[:3, :3]
    turn = np.rint(steps)
    axes = np.abs(turn)
    one_to_one = (axes.sum(0) == 1).all() and (axes.sum(1) == 1).all()
    if not one_to_one or np.abs(steps - turn).max() * max(array.shape) > _WHOLE:
        return array, grid
    order = axes.argmax(1).tolist()
    back = [axis for axis in range(3) if turn[axis, order[axis]] < 0]
    to_old = np.eye(4)
    to_old[:3, :3] = turn.T
    for axis in back:
        to_old[order[axis], 3] = array.shape[order[axis]] - 1
    turned: np.ndarray = np.flip(array.transpose(order), tuple(back))
    return turned, Grid((turned.shape[0], turned.shape[1], turned.shape[2]), grid.affine @ to_old)


def _where_read_otherwise(grid: Grid, like: Grid) -> bool:
    """Whether a label lies where another program reads the scan, whose header is ambiguous."""
    if like.other is None or grid.affine is None or grid.shape != like.shape:
        return False
    return apart(grid.shape, grid.affine, like.other) <= _WHOLE * min(grid.spacing)


def placed(array: np.ndarray, grid: Grid, like: Grid) -> tuple[np.ndarray, Grid]:
    """An array that covers a part of another grid, on the whole of it, with 0 around.

    Where its voxels are none of that grid's, or lie beyond it and are not 0, all stays as it is.
    """
    array, grid = reordered(array, grid, like)
    if grid.affine is None or like.affine is None:
        return array, grid
    to_like = (np.linalg.inv(like.affine) @ grid.affine)[:3]
    start = np.rint(to_like[:, 3]).astype(int)
    apart = np.abs(to_like - np.c_[np.eye(3), start]).max(0)
    if max(apart[:3].max() * max(array.shape), apart[3]) > _WHOLE:
        return array, grid
    size, room = np.array(array.shape), np.array(like.shape)
    low, high = np.maximum(start, 0), np.minimum(start + size, room)
    inside = tuple(slice(a, max(a, b)) for a, b in zip(low - start, high - start, strict=True))
    if np.count_nonzero(array[inside]) < np.count_nonzero(array):
        return array, grid
    whole = np.zeros(like.shape, array.dtype)
    whole[tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))] = array[inside]
    return whole, like
