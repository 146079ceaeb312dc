"""What lies between slices that were drawn, by the shapes of what was drawn.

In the slices between, a structure is where its signed distance, interpolated linearly between the
nearest drawn slices, is positive (Raya and Udupa, IEEE Trans Med Imaging 9(1), 1990).
"""

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import ndimage

from crln.errors import CrlnError


def fill_between(
    numbers: np.ndarray,
    axis: int,
    spacing: Sequence[float],
    classes: Collection[int],
    unknown: int | None = None,
) -> np.ndarray:
    """A drawing with the slices between drawn ones filled in.

    A structure counts as drawn in each slice that holds any of it. Where two drawn slices of it
    have one piece each, their shapes are moved onto each other on the way, so that what runs aslant
    keeps its width.

    Args:
        numbers: (X, Y, Z), a number a voxel; only 0, background, is drawn over, and slices that
            are unknown throughout, as those around a person's own sparse outlines are.
        axis: across which the slices lie.
        spacing: voxel size along each axis.
        classes: the numbers of the structures to fill in.
        unknown: the number of what nobody knows, if there is one.

    Returns:
        A new drawing.

    Raises:
        CrlnError: nothing lies between drawn slices.

    Examples:
        >>> drawn = np.zeros((5, 5, 3), np.uint8)
        >>> drawn[1:4, 1:4, [0, 2]] = 1
        >>> fill_between(drawn, 2, (1, 1, 1), [1])[:, 2, 1]
        array([0, 1, 1, 1, 0], dtype=uint8)
    """
    found = numbers.copy()
    slices, targets = np.moveaxis(numbers, axis, 0), np.moveaxis(found, axis, 0)
    sides = [side for k, side in enumerate(spacing) if k != axis]
    blank = (slices == unknown).all(axis=(1, 2))
    depths: dict[int, np.ndarray] = {}
    for number in classes:
        for at, box, depth in _between(slices == number, sides):
            if at not in depths:
                depths[at] = np.zeros(slices.shape[1:], np.float32)
                targets[at][blank[at] & (slices[at] == unknown)] = 0
            best = depths[at]
            wins = (depth > best[box]) & (blank[at] | (slices[at][box] == 0))
            best[box][wins] = depth[wins]
            targets[at][box][wins] = number
    if not depths:
        raise CrlnError("no slice lies between drawn ones; draw the structure in some, with a gap")
    return found


def _between(
    drawn: np.ndarray, sides: Sequence[float]
) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
    """Of one structure, each slice between drawn ones: its number, a box in it, the depth there."""
    at = np.flatnonzero(drawn.any(axis=(1, 2)))
    gaps = [(low, high) for low, high in pairwise(at.tolist()) if high - low > 1]
    if not gaps:
        return
    rows, columns = (np.flatnonzero(drawn.any(axis=(0, other))) for other in (2, 1))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    @lru_cache(maxsize=2)  # a slice that ends one gap mostly begins the next
    def depth_in(number: int) -> np.ndarray:
        return _depth(drawn[number][box], sides)

    for low, high in gaps:
        way = _way(drawn[low][box], drawn[high][box])
        one, other = depth_in(low), depth_in(high)
        for number in range(low + 1, high):
            share = (number - low) / (high - low)
            depth = (1 - share) * _moved(one, share * way)
            depth += share * _moved(other, (share - 1) * way)
            yield number, box, depth[1:-1, 1:-1]


def _depth(mask: np.ndarray, sides: Sequence[float]) -> np.ndarray:
    """Signed distance to the border in millimetres, positive within; with a rim of one voxel."""
    padded = np.pad(mask, 1)
    within = ndimage.distance_transform_edt(padded, sides)
    found: np.ndarray = within - ndimage.distance_transform_edt(~padded, sides)
    return found


def _way(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """In voxels, from the middle of one shape to that of the other; 0 where either has pieces."""
    corners = np.ones((3, 3))
    if any(ndimage.label(shape, corners)[1] > 1 for shape in (first, last)):
        return np.zeros(2)
    return np.subtract(ndimage.center_of_mass(last), ndimage.center_of_mass(first))


def _moved(depth: np.ndarray, by: np.ndarray) -> np.ndarray:
    if not by.any():
        return depth
    found: np.ndarray = ndimage.shift(depth, by, order=1, mode="nearest")
    return found
