"""Writes masks and maps that lie on their scan."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.files import file_number, whole_file
from crln.imaging.format import Output
from crln.imaging.formats import output_suffix, scan_format, scan_suffix
from crln.imaging.grid import Grid
from crln.imaging.read import read_grid
from crln.labels import LabelSpace

# Integer types that every viewer of every format knows, smallest first.
_MASK_TYPES = (np.uint8, np.int16, np.int32)


def write_mask(
    path: Path,
    mask: np.ndarray,
    like: Path | Grid,
    *,
    labels: LabelSpace | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a mask that opens on top of its scan in any viewer.

    Args:
        path: the file to write; its suffix tells the format.
        mask: (X, Y, Z), an integer type, on the scan's grid and in its axis order.
        like: the scan, whose geometry the mask gets, NIfTI to NIfTI with its qform and sform; or
            the grid alone.
        labels: names and codes of the classes, for formats that can tell them.
        overwrite: replace a file that exists.

    Raises:
        CrlnError: `path` exists, is the scan itself, cannot be written, or is of no format that
            masks are written in; or the mask is not of the scan's shape.
    """
    if mask.dtype.kind not in "iu":
        raise TypeError(f"a mask is of an integer type, not {mask.dtype}")
    low, high = int(mask.min()), int(mask.max())
    dtype = next(t for t in _MASK_TYPES if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    grid, source = _place(like)
    output = Output(mask.astype(dtype, copy=False), grid, "label", source, labels)
    _write(path, output, overwrite)


def write_scalar(
    path: Path, array: np.ndarray, like: Path | Grid, *, overwrite: bool = False
) -> None:
    """Writes a map, such as probabilities or uncertainty, that lies on its scan.

    Args:
        path: the file to write; its suffix tells the format.
        array: (X, Y, Z) or (K, X, Y, Z), on the scan's grid; written as float32, K values a voxel.
        like: the scan, whose geometry the map gets, or the grid alone.
        overwrite: replace a file that exists.

    Raises:
        CrlnError: as `write_mask`.
    """
    last = np.moveaxis(array, 0, -1) if array.ndim == 4 else array
    grid, source = _place(like)
    _write(path, Output(last.astype(np.float32, copy=False), grid, "image", source), overwrite)


def refuse_input(path: Path, files: Iterable[Path], what: str = "the scan itself") -> None:
    """Refuses to write to what was read, even where files may be replaced, by whatever links.

    Raises:
        CrlnError: `path` is one of the files.
    """
    if path.exists() and file_number(path) in map(file_number, files):
        raise CrlnError(f"{path}: is {what}; give another output")


def _place(like: Path | Grid) -> tuple[Grid, Path | None]:
    if isinstance(like, Grid):
        return like, None
    return read_grid(like), Path(like)


def _write(path: Path, output: Output, overwrite: bool) -> None:
    path = Path(path)
    named = scan_suffix(path)
    # Of two suffixes the second stands for two files, but for DICOM's, which says what is in one.
    if output_suffix(path) != named and not (named and scan_format(path).of_series):
        advice = f"{path.name.split('.')[0]}{output_suffix(path)}"
        raise CrlnError(f"{path}: not a format to write; name it {advice}")
    if output.array.shape[:3] != output.grid.shape:
        raise CrlnError(
            f"{output.source or path}: shape {output.grid.shape}, but its mask has "
            f"{output.array.shape[:3]}; predict it again"
        )
    if output.source:
        inside = output.source.iterdir() if output.source.is_dir() else ()
        refuse_input(path, [output.source, *inside])
    with whole_file(path, overwrite=overwrite) as target:
        scan_format(path).write(target, output)
