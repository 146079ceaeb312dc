"""Writes masks and maps that lie on their scan."""

from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.files import whole_file
from crln.imaging import archive, itk, nifti
from crln.imaging.faults import writing
from crln.imaging.formats import output_suffix, scan_format, scan_suffix
from crln.imaging.header import Header
from crln.imaging.read import read_header

# Integer types that every viewer of every format knows, smallest first.
_MASK_TYPES = (np.uint8, np.int16, np.int32)


def write_mask(path: Path, mask: np.ndarray, like: Path, *, overwrite: bool = False) -> None:
    """Writes a mask that opens on top of its scan in any viewer.

    Args:
        path: the file to write; its suffix tells the format.
        mask: (X, Y, Z), an integer type, on the scan's grid and in its axis order.
        like: the scan, whose geometry the mask gets; NIfTI to NIfTI with its qform and sform.
        overwrite: replace a file that exists.

    Raises:
        CrlnError: `path` exists, cannot be written, or is of no format that masks are written in;
            or the mask is not of the scan's shape.
    """
    if mask.dtype.kind not in "iu":
        raise TypeError(f"a mask is of an integer type, not {mask.dtype}")
    low, high = int(mask.min()), int(mask.max())
    dtype = next(t for t in _MASK_TYPES if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    _write(path, mask.astype(dtype), like, overwrite, "label")


def write_scalar(path: Path, array: np.ndarray, like: Path, *, overwrite: bool = False) -> None:
    """Writes a map, such as probabilities or uncertainty, that lies on its scan.

    Args:
        path: the file to write; its suffix tells the format.
        array: (X, Y, Z) or (K, X, Y, Z), on the scan's grid; written as float32, K values a voxel.
        like: the scan, whose geometry the map gets.
        overwrite: replace a file that exists.

    Raises:
        CrlnError: as `write_mask`.
    """
    last = np.moveaxis(array, 0, -1) if array.ndim == 4 else array
    _write(path, last.astype(np.float32), like, overwrite, "image")


def _write(
    path: Path, array: np.ndarray, like: Path, overwrite: bool, name: archive.Dataset
) -> None:
    path, like = Path(path), Path(like)
    if output_suffix(path) != scan_suffix(path):
        raise CrlnError(f"{path}: not a format to write; name it {_advice(path)}")
    grid = read_header(like)
    if array.shape[:3] != grid.shape:
        raise CrlnError(
            f"{like}: shape {grid.shape}, but its mask has {array.shape[:3]}; predict it again"
        )
    with whole_file(path, overwrite=overwrite) as target, writing():
        _write_to(target, array, grid, like, name)


def _write_to(
    target: Path, array: np.ndarray, grid: Header, like: Path, name: archive.Dataset
) -> None:
    kind = scan_format(target)
    if kind == "h5":
        archive.write(target, array, name)
    elif kind == "itk":
        itk.write(target, array, grid)
    else:
        nifti.write(target, array, grid, like if scan_format(like) == "nifti" else None)


def _advice(path: Path) -> str:
    return f"{path.name.split('.')[0]}{output_suffix(path)}"
