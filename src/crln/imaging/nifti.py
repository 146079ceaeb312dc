"""NIfTI files, by nibabel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError
from crln.imaging.format import Content, Format, Output
from crln.imaging.grid import Grid, spatial_shape

if TYPE_CHECKING:
    import nibabel as nib


class Nifti(Format):
    """NIfTI-1 and -2."""

    name = "NIfTI"
    suffixes = (".nii.gz", ".nii")

    def grid(self, path: Path) -> Grid:
        """From the header; sform before qform."""
        from nibabel.openers import ImageOpener

        with _plain_faults():
            image = _load(path)
            # nibabel mends a voxel size of zero as it loads; the unchecked header still shows it.
            with ImageOpener(str(path)) as file:
                header = type(image.header).from_fileobj(file, check=False)
            return Grid(spatial_shape(path, image.shape), header.get_best_affine())

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
            return voxels.reshape(voxels.shape[:3])

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
            else:
                scan = _load(output.source)
                image = type(scan)(output.array, None, scan.header)
                image.header["cal_min"] = image.header["cal_max"] = 0  # the scan's display window
                image.header.extensions.clear()
            image.set_data_dtype(output.array.dtype)
            image.header.set_slope_inter(1, 0)
            image.to_filename(target)


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
