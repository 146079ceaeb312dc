"""Structures that overlap, of a label file each, as combinations."""

from pathlib import Path

import numpy as np

from crln.cohort.case import Cohort, Label
from crln.cohort.outline import check_part, outlined
from crln.combinations import join
from crln.errors import CrlnError
from crln.imaging import Grid, Volume, check_same_grid, label_names, mask_files, read_label
from crln.imaging.naming import plain
from crln.labels import IGNORE, LabelSpace


def read_separate(label: Label, space: LabelSpace, like: Grid | None = None) -> Volume:
    """Reads all files of a label, or one that holds the structures by their names.

    A structure without a file is one that nobody looked for; one that a file of several does not
    name is not there. Voxels that a file calls ignored are unknown of its structure alone.

    Args:
        label: of a file a structure, or of a DICOM SEG, an RTSTRUCT or 3D Slicer's segments.
        space: of separate structures.
        like: the grid of its scan, which some kinds of label are drawn on.

    Returns:
        (1, X, Y, Z), combinations, IGNORE where nobody knows anything.

    Raises:
        CrlnError: the label is of one file that names no structures, one has a fault or holds
            several values, or they lie on different grids.
    """
    parts = label.parts or _by_name(label.path, space)
    held: dict[int, np.ndarray] = {}
    every = range(1, space.classes) if label.parts else ()
    unknown: dict[int, object] = dict.fromkeys(every, True)
    grid = None
    for k, path in parts:
        volume = read_label(path, like, None if label.parts else {1: space.names[k]})
        voxels = volume.array[0]
        check_part(path, voxels, space.ignore)
        if grid is None:
            grid = volume.grid
        check_same_grid(parts[0][1], grid, path, volume.grid)
        hidden = voxels == (IGNORE if space.ignore is None else space.ignore)
        held[k] = (voxels != 0) & ~hidden
        unknown.pop(k, None)
        if space.ignore is not None and hidden.any():
            unknown[k] = hidden
    assert grid is not None
    combined = join(held, unknown, space.classes - 1)
    if label.slices is not None:
        anything = np.any(list(held.values()), axis=0)
        combined[~outlined(label.path, label.slices, anything, grid)] = IGNORE
    return Volume(combined[None], grid)


def _by_name(path: Path, space: LabelSpace) -> tuple[tuple[int, Path], ...]:
    """The structures that one file holds, each to be read from it."""
    told = {plain(name) for name in label_names(path).values()}
    found = tuple((k, path) for k, name in enumerate(space.names[1:], 1) if plain(name) in told)
    if not found:
        raise CrlnError(
            f"{path}: one label file, where the structures, which overlap, have one each; give "
            "those, or make their plan anew"
        )
    return found


def check_structures(cohort: Cohort, space: LabelSpace) -> None:
    """Raises CrlnError where a cohort numbers its structures otherwise than a plan does."""
    own = {value: name for value, name in cohort.class_names.items() if value}
    if own and (space.separate or not cohort.exclusive) and own != space.structures:
        raise CrlnError(
            f"{cohort.root}: its structures are {', '.join(own.values())}, and the "
            f"plan's {', '.join(space.names[1:])}; make the plan anew"
        )


def mask_as_label(path: Path, space: LabelSpace) -> Label:
    """A mask as it was written, of one file or of one a structure (`mask_files`)."""
    files = mask_files(path, space)
    return Label(files[1], parts=tuple(files.items())) if space.separate else Label(path)
