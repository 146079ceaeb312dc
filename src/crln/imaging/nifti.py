"""NIfTI files, by nibabel."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError
from crln.imaging.faults import check_room
from crln.imaging.format import Content, Format, Output
from crln.imaging.grid import MOST_CHANNELS, Grid, spatial_shape
from crln.imaging.nifti_grid import grid_of

if TYPE_CHECKING:
    import nibabel as nib

_PLACE = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
          "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")  # fmt: skip
"""The fields of a header that say where its voxels lie."""


class Nifti(Format):
    """NIfTI-1 and -2."""

    name = "NIfTI"
    option = "nifti"
    suffixes = (".nii.gz", ".nii")

    def grid(self, path: Path) -> Grid:
        """From the header as it is: nibabel mends some of what it loads."""
        header = _header(path)
        shape = spatial_shape(path, header.get_data_shape(), channels=MOST_CHANNELS)
        check_room(path, header.get_data_shape(), path.stat().st_size)
        return grid_of(path, header, shape)

    def channels(self, path: Path) -> int:
        """Of a file of four dimensions the length of the fourth."""
        return prod(_header(path).get_data_shape()[3:])

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """Of the file's own type where it has no scaling."""
        with _plain_faults():
            image = _load(path)
            if image.get_data_dtype().kind not in "iuf":
                raise CrlnError(
                    f"{path}: colour or complex voxels ({image.get_data_dtype()}) where grey "
                    "values are due; give one 3D file per channel"
                )
            # float32 is enough for what a scan measures, and half of nibabel's default for scaled
            # integers.
            scaled = image.header.get_slope_inter() not in ((None, None), (1.0, 0.0))
            voxels = np.asarray(image.dataobj, dtype=np.float32 if scaled else None)
            several = prod(voxels.shape[3:]) > 1
            return (
                voxels.reshape(*voxels.shape[:3], -1)
                if several
                else voxels.reshape(voxels.shape[:3])
            )

    def write(self, target: Path, output: Output) -> None:
        """Writes with the header of the scan, where that is NIfTI too.

        Taking the header over keeps qform and sform with their codes, which an affine alone does
        not.
        """
        import nibabel as nib

        with _plain_faults():
            if output.source is None or not self.suffix(output.source):
                image = nib.Nifti1Image(output.array, output.grid.to_world)
                image.header.set_xyzt_units("mm")
                if output.grid.known:  # in the scanner, for programs that read one form alone
                    image.set_qform(output.grid.to_world, code=1)
                    image.set_sform(output.grid.to_world, code=1)
            else:
                scan = _load(output.source)
                image = type(scan)(output.array, None, scan.header)
                image.header["cal_min"] = image.header["cal_max"] = 0  # the scan's display window
                image.header.extensions.clear()
                as_it_is = _header(output.source)
                for field in _PLACE:
                    image.header[field] = as_it_is[field]
            image.set_data_dtype(output.array.dtype)
            image.header.set_slope_inter(1, 0)
            image.to_filename(target)


def _header(path: Path) -> "nib.Nifti1Header":
    """The header as it is in the file."""
    from nibabel import Nifti1Header, Nifti2Header
    from nibabel.openers import ImageOpener

    with ImageOpener(str(path)) as file:
        start = file.read(Nifti2Header.sizeof_hdr)
    for kind in (Nifti2Header, Nifti1Header):
        if kind.may_contain_header(start):
            return kind(start[: kind.sizeof_hdr], check=False)
    raise ValueError("no NIfTI header")


def _load(path: Path) -> "nib.Nifti1Image":
    """The image, NIfTI-1 or -2, its voxels not yet read."""
    import nibabel as nib

    image = nib.load(path, mmap=False)
    if not isinstance(image, nib.Nifti1Image):
        raise ValueError(f"holds {type(image).__name__}")
    return image


@contextmanager
def _plain_faults() -> Iterator[None]:
    """Within it, nibabel's own faults are such as every file library raises."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError, ImageDataError

    try:
        yield
    except (ImageFileError, HeaderDataError, ImageDataError) as error:
        raise ValueError(str(error)) from error
