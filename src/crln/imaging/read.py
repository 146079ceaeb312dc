"""Reads scans, labels and grids of every format."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging import archive, dicom, itk, nifti
from crln.imaging.faults import reading
from crln.imaging.formats import scan_format
from crln.imaging.header import Header, check_grid, check_same_grid
from crln.imaging.volume import Volume

_HEADER_OF = {
    "nifti": nifti.read_header,
    "itk": itk.read_header,
    "h5": archive.read_header,
    "dicom": dicom.read_header,
}
_VOXELS_OF = {"nifti": nifti.read_voxels, "itk": itk.read_voxels, "dicom": dicom.read_voxels}


def read_header(path: Path) -> Header:
    """The grid of a file or DICOM folder, without its voxels.

    Raises:
        CrlnError: the file is missing, truncated, no image, not 3D, or of an absurd voxel size.
    """
    path = Path(path)
    kind = scan_format(path)
    sys.audit("crln.read", str(path), "header")  # some libraries open files unheard by Python
    with reading(path):
        return check_grid(path, _HEADER_OF[kind](path))


def read_image(paths: Sequence[Path]) -> Volume:
    """One scan.

    Args:
        paths: a file per channel; or one h5 archive (its dataset `image`), or one DICOM folder.

    Returns:
        (C, X, Y, Z) float32 in the file's axis order, with the first channel's affine.

    Raises:
        CrlnError: a file is missing, truncated, no image or not 3D; voxels are not finite or all
            the same; the voxel size is absurd; the channels lie on different grids.
    """
    paths = [Path(path) for path in paths]
    first = read_header(paths[0])
    array = np.empty((len(paths), *first.shape), np.float32)
    for channel, path in enumerate(paths):
        if channel:
            check_same_grid(paths[0], first, path, read_header(path))
        array[channel] = _read_voxels(path, "image")
        _check_values(path, array[channel])
    return Volume(array, first.affine)


def read_label(path: Path) -> Volume:
    """One label or mask, (1, X, Y, Z) int32, of an h5 archive its dataset `label`.

    Raises:
        CrlnError: the file is missing, truncated, no image or not 3D, its voxel size is absurd, or
            its values are not whole numbers.
    """
    path = Path(path)
    header = read_header(path)
    voxels = _read_voxels(path, "label")
    if voxels.dtype.kind == "f" and not np.array_equal(voxels, np.rint(voxels)):
        raise CrlnError(
            f"{path}: its values are not whole numbers, as labels are; give the label file, or "
            "round it"
        )
    low, high = voxels.min(), voxels.max()
    limits = np.iinfo(np.int32)
    if low < limits.min or high > limits.max:
        raise CrlnError(f"{path}: label values of {low}..{high} are absurd; export it again")
    return Volume(voxels[None].astype(np.int32), header.affine)


def _read_voxels(path: Path, name: archive.Dataset) -> np.ndarray:
    kind = scan_format(path)
    sys.audit("crln.read", str(path), name)
    with reading(path):
        return archive.read_voxels(path, name) if kind == "h5" else _VOXELS_OF[kind](path)


def _check_values(path: Path, array: np.ndarray) -> None:
    # NaN and infinity show in the extremes, which cost no array of flags.
    low, high = array.min(), array.max()
    if not np.isfinite([low, high]).all():
        count = array.size - int(np.isfinite(array).sum())
        raise CrlnError(f"{path}: {count} voxels are NaN or infinite; replace them or leave it out")
    if low == high:
        raise CrlnError(f"{path}: every voxel is {low:g}; export the scan again or leave it out")
