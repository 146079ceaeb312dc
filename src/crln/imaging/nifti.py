"""NIfTI files, by nibabel."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from crln.errors import CrlnError
from crln.imaging.header import Header, spatial_shape


def read_header(path: Path) -> Header:
    """The grid of a NIfTI file."""
    image = _load(path)
    # nibabel mends a voxel size of zero as it loads; the unchecked header still shows it.
    with ImageOpener(str(path)) as file:
        header = type(image.header).from_fileobj(file, check=False)
    return Header(spatial_shape(path, image.shape), header.get_best_affine())


def read_voxels(path: Path) -> np.ndarray:
    """Scaled voxels, (X, Y, Z); of the file's own type where it has no scaling."""
    image = _load(path)
    if image.get_data_dtype().kind not in "iuf":
        raise CrlnError(
            f"{path}: colour or complex voxels ({image.get_data_dtype()}) where grey values are "
            "due; give one 3D file per channel"
        )
    # float32 is enough for what a scan measures, and half of nibabel's default for scaled integers.
    scaled = image.header.get_slope_inter() not in ((None, None), (1.0, 0.0))
    voxels = np.asarray(image.dataobj, dtype=np.float32 if scaled else None)
    return voxels.reshape(voxels.shape[:3])


def write(target: Path, array: np.ndarray, grid: Header, like: Path | None) -> None:
    """Writes (X, Y, Z) or (X, Y, Z, K) on `grid`, with the header of the NIfTI file `like`.

    Taking the header over keeps qform and sform with their codes, which an affine alone does not.
    """
    if like is None:
        image = nib.Nifti1Image(array, grid.affine)
        image.header.set_xyzt_units("mm")
    else:
        scan = _load(like)
        image = type(scan)(array, None, scan.header)
        image.header["cal_min"] = image.header["cal_max"] = 0  # the scan's display window
        image.header.extensions.clear()
    image.set_data_dtype(array.dtype)
    image.header.set_slope_inter(1, 0)
    image.to_filename(target)


def _load(path: Path) -> nib.Nifti1Image:
    """The image, NIfTI-1 or -2, its voxels not yet read."""
    image = nib.load(path, mmap=False)
    if not isinstance(image, nib.Nifti1Image):
        raise ValueError(f"holds {type(image).__name__}")
    return image
