"""NIfTI files, by nibabel."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from crln.errors import CrlnError
from crln.imaging.header import Header, spatial_shape


def read_header(path: Path) -> Header:
    """The grid of a NIfTI file."""
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):  # an Analyze file, or another format's content
        raise ValueError(f"holds {type(image).__name__}")
    # nibabel mends a voxel size of zero as it loads; the unchecked header still shows it.
    with ImageOpener(path) as file:
        header = type(image.header).from_fileobj(file, check=False)
    return Header(spatial_shape(path, image.shape), header.get_best_affine())


def read_voxels(path: Path) -> np.ndarray:
    """Scaled voxels, (X, Y, Z); of the file's own type where it has no scaling."""
    image = nib.load(path, mmap=False)
    if image.get_data_dtype().kind not in "iuf":
        raise CrlnError(
            f"{path}: colour or complex voxels ({image.get_data_dtype()}) where grey values are "
            "due; give one 3D file per channel"
        )
    # float32 is enough for what a scan measures, and half of nibabel's default for scaled integers.
    scaled = image.header.get_slope_inter() not in ((None, None), (1.0, 0.0))
    voxels = image.dataobj.get_scaled(np.float32) if scaled else np.asarray(image.dataobj)
    return voxels.reshape(voxels.shape[:3])


def write(target: Path, array: np.ndarray, grid: Header, like: Path | None) -> None:
    """Writes (X, Y, Z) or (X, Y, Z, K) on `grid`, with the header of the NIfTI file `like`.

    Taking the header over keeps qform and sform with their codes, which an affine alone does not.
    """
    if like is None:
        image = nib.Nifti1Image(array, grid.affine)
        image.header.set_xyzt_units("mm")
    else:
        scan = nib.load(like)
        image = type(scan)(array, None, scan.header)
        image.header["cal_min"] = image.header["cal_max"] = 0  # the scan's display window
        image.header.extensions.clear()
    image.set_data_dtype(array.dtype)
    image.header.set_slope_inter(1, 0)
    image.to_filename(target)
