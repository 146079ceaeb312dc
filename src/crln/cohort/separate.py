"""Structures that overlap, of a label file each, as combinations."""

from pathlib import Path

import numpy as np

from crln.cohort.case import Label
from crln.cohort.outline import check_part, outlined
from crln.combinations import join
from crln.errors import CrlnError
from crln.imaging import Grid, Volume, check_same_grid, mask_files, read_label
from crln.labels import IGNORE, LabelSpace


def read_separate(label: Label, space: LabelSpace, like: Grid | None = None) -> Volume:
    """Reads all files of a label.

    A structure without a file is one that nobody looked for; voxels that a file calls ignored are
    unknown of its structure alone.

    Args:
        label: of a file a structure.
        space: of separate structures.
        like: the grid of its scan, which some kinds of label are drawn on.

    Returns:
        (1, X, Y, Z), combinations, IGNORE where nobody knows anything.

    Raises:
        CrlnError: the label is of one file, one has a fault or holds several values, or they lie
            on different grids.
    """
    if not label.parts:
        raise CrlnError(
            f"{label.path}: one label file, where the structures, which overlap, have one each; "
            "give those, or make their plan anew"
        )
    held: dict[int, np.ndarray] = {}
    unknown: dict[int, object] = dict.fromkeys(range(1, space.classes), True)
    grid = None
    for k, path in label.parts:
        volume = read_label(path, like)
        voxels = volume.array[0]
        check_part(path, voxels, space.ignore)
        if grid is None:
            grid = volume.grid
        check_same_grid(label.parts[0][1], grid, path, volume.grid)
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


def mask_as_label(path: Path, space: LabelSpace) -> Label:
    """A mask as it was written, of one file or of one a structure (`mask_files`)."""
    files = mask_files(path, space)
    return Label(files[1], parts=tuple(files.items())) if space.separate else Label(path)
