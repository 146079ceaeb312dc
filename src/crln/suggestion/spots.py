"""Where in a scan to look first."""

import numpy as np

SHARE = 20
"""A scan is looked at in so many blocks along each axis, or in single voxels where it is small."""


def doubtful_spots(doubt: np.ndarray, count: int) -> list[tuple[int, int, int]]:
    """The voxels to look at first, the most doubtful place first; no two places touch.

    Doubt is summed over blocks; of a block that is chosen its neighbours are left out, and its most
    doubtful voxel is the place.

    Args:
        doubt: (X, Y, Z), not negative.
        count: how many at most.

    Examples:
        >>> doubt = np.zeros((40, 40, 40))
        >>> doubt[3, 4, 5], doubt[30, 30, 20:24] = 0.9, 0.5
        >>> doubtful_spots(doubt, 5)
        [(30, 30, 20), (3, 4, 5)]
    """
    sides = [max(1, -(-side // SHARE)) for side in doubt.shape]
    sums = doubt.astype(np.float32)
    for axis, side in enumerate(sides):
        sums = np.add.reduceat(sums, np.arange(0, doubt.shape[axis], side), axis)
    found: list[tuple[int, int, int]] = []
    while len(found) < count and sums.max(initial=0) > 0:
        block = np.unravel_index(int(np.argmax(sums)), sums.shape)
        corner = [int(place) * side for place, side in zip(block, sides, strict=True)]
        inside = doubt[tuple(slice(c, c + side) for c, side in zip(corner, sides, strict=True))]
        at = np.unravel_index(int(np.argmax(inside)), inside.shape)
        x, y, z = (c + int(a) for c, a in zip(corner, at, strict=True))
        found.append((x, y, z))
        sums[tuple(slice(max(int(b) - 1, 0), int(b) + 2) for b in block)] = 0
    return found
