"""NRRD and MetaImage files, by SimpleITK."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from crln.errors import CrlnError
from crln.imaging.header import Header, spatial_shape

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def read_header(path: Path) -> Header:
    """The grid of an NRRD or MetaImage file."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise CrlnError(
            f"{path}: 4D ({reader.GetNumberOfComponents()} values a voxel) where 3D is due; "
            "give one 3D file per channel"
        )
    shape = spatial_shape(path, reader.GetSize())
    dimension = reader.GetDimension()
    direction = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    affine = ras_affine(direction, reader.GetSpacing()[:3], reader.GetOrigin()[:3])
    return Header(shape, affine)


def read_voxels(path: Path) -> np.ndarray:
    """Voxels, (X, Y, Z), of the file's own type."""
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))  # (..., Z, Y, X)
    return voxels.reshape(voxels.shape[-3:]).T


def write(target: Path, array: np.ndarray, grid: Header) -> None:
    """Writes (X, Y, Z) or (X, Y, Z, K) on `grid`, compressed."""
    several = array.ndim == 4
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0, *range(3, array.ndim)), several)
    spacing = np.array(grid.spacing)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((LPS_TO_RAS @ grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((LPS_TO_RAS @ grid.affine[:3, 3]).tolist())
    sitk.WriteImage(image, str(target), useCompression=True)


def ras_affine(
    direction: np.ndarray, spacing: tuple[float, ...], origin: tuple[float, ...]
) -> np.ndarray:
    """The RAS affine of ITK's geometry, which counts towards left and posterior (LPS)."""
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ direction * np.array(spacing)
    affine[:3, 3] = LPS_TO_RAS @ np.array(origin)
    return affine
