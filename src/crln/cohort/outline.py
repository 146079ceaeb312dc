"""What a label tells of each voxel: a value, or that nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crln.cohort.case import Label, Slices
from crln.errors import CrlnError
from crln.imaging import Grid, Volume, check_same_grid, read_label

STANDING_ALONE = 2.0
"""Outlined slices stand alone where runs of them are at most this long on average."""

ALIKE = 1.05
"""Voxels whose sides differ by less than this factor count as of one size."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One label as read.

    Attributes:
        volume: (1, X, Y, Z) int32, the values of label files.
        known: (X, Y, Z) bool, the voxels of which somebody knows the value; None: all.
    """

    volume: Volume
    known: np.ndarray | None = None

    @property
    def values(self) -> np.ndarray:
        """(X, Y, Z) int32; what nobody knows has a value too, that of its file."""
        values: np.ndarray = self.volume.array[0]
        return values


def read_outline(
    label: Label,
    like: Grid | None = None,
    names: Mapping[int, str] | None = None,
    ignore: int | None = None,
) -> Outline:
    """Reads a label, of one file or several, and what it does not tell.

    Values that its maker did not look for become 0, for they are not vouched for. Where two of its
    files claim a voxel, nobody knows.

    Args:
        label: which files, classes and slices.
        like: the grid of its scan, which some kinds of label are drawn on.
        names: label value to name, for files that name their own classes.
        ignore: the value of voxels that nobody outlined.

    Raises:
        CrlnError: a file has a fault, the files lie on different grids, one holds other values
            than its class's, or there are no such slices.
    """
    volume, known = _read_files(label, like, names, ignore)
    values = volume.array[0]
    if ignore is not None and (values == ignore).any():
        known &= values != ignore
    if label.slices is not None:
        held = (values != 0) & known
        known &= outlined(label.path, label.slices, held, volume.grid)
    if label.classes is not None:
        kept = [0, *label.classes, *([] if ignore is None else [ignore])]
        values[~np.isin(values, kept)] = 0
    return Outline(volume, None if known.all() else known)


def _read_files(
    label: Label, like: Grid | None, names: Mapping[int, str] | None, ignore: int | None
) -> tuple[Volume, np.ndarray]:
    """The values of all files together, and which voxels they do not dispute."""
    if not label.parts:
        as_drawn = label.slices is not None  # else contours of every fourth slice are a solid
        volume = read_label(label.path, like, names, label.called, as_drawn=as_drawn)
        return volume, np.ones(volume.array.shape[1:], bool)
    volumes = [(value, path, read_label(path, like)) for value, path in label.parts]
    _, first, united = volumes[0]
    claims = np.zeros(united.array.shape[1:], np.uint8)
    values = np.zeros(united.array.shape, np.int32)
    for value, path, volume in volumes:
        check_same_grid(first, united.grid, path, volume.grid)
        found = volume.array[0]
        check_part(path, found, ignore)
        nobody = np.zeros(found.shape, bool) if ignore is None else found == ignore
        here = (found != 0) & ~nobody
        claims += here
        values[0][here] = value
        if ignore is not None:
            values[0][nobody & (values[0] == 0)] = ignore
    return Volume(values, united.grid), claims < 2


def check_part(path: Path, found: np.ndarray, ignore: int | None) -> None:
    """Raises CrlnError where the label file of one class holds several values."""
    held = sorted(set(np.unique(found).tolist()) - {0, ignore})
    if len(held) > 1:
        raise CrlnError(
            f"{path}: holds the values {', '.join(map(str, held))}, where one class is due; put "
            "labels of several classes into labels/"
        )


def outlined(path: Path, slices: Slices, held: np.ndarray, grid: Grid) -> np.ndarray:
    """Which voxels lie in outlined slices, (X, Y, Z) bool."""
    axis = slices.axis
    if slices.at is None:
        if not held.any():
            raise CrlnError(
                f"{path}: holds nothing, so that no slice of it counts as outlined; outline one, "
                "or list its slices in cohort.yaml"
            )
        axis = _axis_of(held, grid) if axis is None else axis
        others = tuple(a for a in range(3) if a != axis)
        at = held.any(axis=others)
    else:
        axis = usual_axis(grid) if axis is None else axis
        side = held.shape[axis]
        if beyond := [number for number in slices.at if not 0 <= number < side]:
            raise CrlnError(
                f"{path}: slice {beyond[0]} is none of its {side} along {'xyz'[axis]}, which are "
                "counted from 0; correct the list, or name the axis"
            )
        at = np.isin(np.arange(side), slices.at)
    shape = [1, 1, 1]
    shape[axis] = -1
    return np.broadcast_to(at.reshape(shape), held.shape)


def _axis_of(held: np.ndarray, grid: Grid) -> int:
    """The axis along which slices that hold anything stand alone; where none do, the usual one."""
    runs = []
    for axis in range(3):
        filled = np.any(held, axis=tuple(a for a in range(3) if a != axis))
        begins = filled[0] + np.count_nonzero(filled[1:] & ~filled[:-1])
        runs.append(np.count_nonzero(filled) / begins)
    usual = usual_axis(grid)
    shortest = min(runs)
    if shortest > STANDING_ALONE:
        return usual
    return usual if runs[usual] == shortest else runs.index(shortest)


def usual_axis(grid: Grid) -> int:
    """The axis of the thickest slices; of equal ones the last."""
    longest = max(grid.spacing)
    return max(axis for axis in range(3) if grid.spacing[axis] * ALIKE >= longest)
