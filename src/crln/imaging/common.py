"""The grid that several masks of one scan have in common, where some cover a part of it."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from crln.imaging.formats import label_format
from crln.imaging.grid import Grid
from crln.imaging.read import read_grid, read_label_grid


def common_grid(paths: Sequence[Path], scan: Path | None = None) -> Grid:
    """That of the first mask which covers its whole scan, or the scan's; else one that holds all.

    Outlines that know their structures, such as DICOM SEG, often cover what is outlined alone, and
    contours have no voxels at all.

    Args:
        paths: the masks.
        scan: that they are of, where it is known.

    Raises:
        CrlnError: a file has a fault, or contours have no other file that knows the voxels.
    """
    whole = [path for path in paths if not label_format(path).outlines_only]
    if whole:
        return read_grid(whole[0])
    if scan is not None:
        return read_grid(scan)
    first, *others = map(read_label_grid, paths)
    corners = [_corners(first, grid) for grid in (first, *others)]
    low = np.rint(np.min([each.min(0) for each in corners], 0)).astype(int)
    high = np.rint(np.max([each.max(0) for each in corners], 0)).astype(int)
    moved = np.eye(4)
    moved[:3, 3] = low
    x, y, z = (high - low + 1).tolist()
    return Grid((x, y, z), first.to_world @ moved)


def _corners(first: Grid, grid: Grid) -> np.ndarray:
    """The outermost voxels' centres (8, 3) of a grid, in voxels of the first one."""
    sides = product(*((0, side - 1) for side in grid.shape), (1,))
    found: np.ndarray = np.array(list(sides)) @ (np.linalg.inv(first.to_world) @ grid.to_world).T
    return found[:, :3]
