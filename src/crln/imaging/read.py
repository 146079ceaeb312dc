"""Reads scans, labels and grids of every format."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging.faults import reading
from crln.imaging.formats import label_format, scan_format
from crln.imaging.grid import Grid, Volume, check_grid, check_same_grid
from crln.imaging.naming import moved, plain, renamed, values_by_name
from crln.imaging.placing import reordered
from crln.imaging.values import check_intensities, whole_numbers


def read_grid(path: Path) -> Grid:
    """The grid of a scan, a file or DICOM folder, without its voxels.

    Raises:
        CrlnError: the file is missing, truncated, no image, not 3D, or of an absurd voxel size.
    """
    return _open_scan(Path(path))[0]


def read_label_grid(path: Path) -> Grid:
    """The grid of a label that has one of its own, without its values.

    Raises:
        CrlnError: as `read_grid`; or contours, which have none.
    """
    sys.audit("crln.read", str(path), "label")
    with reading(path):
        return check_grid(path, label_format(path).grid(path))


def read_image(paths: Sequence[Path]) -> Volume:
    """One scan.

    Args:
        paths: a file per channel, or one file of several; or one h5 archive (its dataset `image`),
            or one DICOM folder.

    Returns:
        (C, X, Y, Z) float32 in the file's axis order, on the first channel's grid.

    Raises:
        CrlnError: a file is missing, truncated, no image or not 3D; voxels are not finite or all
            the same; the voxel size is absurd; the channels lie on different grids.
    """
    paths = [Path(path) for path in paths]
    grid, read = _open_scan(paths[0])
    array = np.empty((0, *grid.shape), np.float32)
    for place, path in enumerate(paths):
        if place:
            other, read = _open_scan(path)
            check_same_grid(paths[0], grid, path, other)
        sys.audit("crln.read", str(path), "image")
        with reading(path):
            voxels = read()
        found = voxels[..., None] if voxels.ndim == 3 else voxels
        if not place:
            array = np.empty((found.shape[3] * len(paths), *grid.shape), np.float32)
        elif len(array) != found.shape[3] * len(paths):
            raise CrlnError(f"{path}: {found.shape[3]} channels, {paths[0]} others; give all alike")
        for channel in range(found.shape[3]):
            target = array[place * found.shape[3] + channel]
            target[...] = found[..., channel]
            check_intensities(path, target)
    return Volume(array, grid)


def read_stored(path: Path) -> tuple[np.ndarray, Grid]:
    """The voxels of a scan as its file has them, whatever they are: to look at, not to learn from.

    Returns:
        (X, Y, Z), or (X, Y, Z, C) of a file of several channels, of the file's own type where it
        has no scaling; and the grid that they lie on.

    Raises:
        CrlnError: the file is missing, truncated, no image, not 3D, or of an absurd voxel size.
    """
    path = Path(path)
    grid, read = _open_scan(path)
    sys.audit("crln.read", str(path), "image")
    with reading(path):
        return read(), grid


def count_channels(paths: Sequence[Path]) -> int:
    """How many channels some files hold together, by their headers.

    Raises:
        CrlnError: as `read_grid`.
    """
    count = 0
    for path in paths:
        sys.audit("crln.read", str(path), "header")
        with reading(path):
            count += scan_format(path).channels(path)
    return count


def read_label(
    path: Path,
    like: Grid | None = None,
    names: Mapping[int, str] | None = None,
    called: Iterable[tuple[str, str]] = (),
    *,
    as_drawn: bool = False,
) -> Volume:
    """One label or mask, (1, X, Y, Z) int32, of an h5 archive its dataset `label`.

    Args:
        path: the file.
        like: the grid of its scan, which some kinds of label are drawn on. Where the label has the
            scan's axes in another order or direction, it is turned to the scan's.
        names: label value -> name of the classes. A file that names its own classes is brought to
            these values, by name; structures of other names are background.
        called: what such files may call a class, and the class.
        as_drawn: of contours, leave slices without one empty, rather than fill them.

    Raises:
        CrlnError: the file is missing, truncated, no image or not 3D, its voxel size is absurd, its
            values are not whole numbers (within a thousandth) or a scan's, or it names none of the
            classes.
    """
    path = Path(path)
    format = label_format(path)
    sys.audit("crln.read", str(path), "label")
    with reading(path):
        told = format.names(path)
        moves = values_by_name(path, renamed(told, called), names or {})
        voxels, grid = format.label(path, like, moves if told else None, as_drawn=as_drawn)
    check_grid(path, grid)
    if voxels.ndim != 3:
        raise CrlnError(
            f"{path}: 4D of shape {voxels.shape} where a label is 3D; give one value a voxel"
        )
    if like is not None:
        voxels, grid = reordered(voxels, grid, like)
    return Volume(moved(whole_numbers(path, voxels), told, moves)[None], grid)


def label_names(path: Path) -> dict[int, str]:
    """Label value -> name of the classes, as far as the file itself tells.

    Raises:
        CrlnError: the file is missing, truncated or no image.
    """
    path = Path(path)
    format = label_format(path)
    sys.audit("crln.read", str(path), "label")
    with reading(path):
        return {value: name for value, name in format.names(path).items() if plain(name)}


def _open_scan(path: Path) -> tuple[Grid, Callable[[], np.ndarray]]:
    """The grid of a scan, and what reads its voxels."""
    format = scan_format(path)
    sys.audit("crln.read", str(path), "header")  # some libraries open files unheard by Python
    with reading(path):
        grid, read = format.scan(path)
        return check_grid(path, grid), read
