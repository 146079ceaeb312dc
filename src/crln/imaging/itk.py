"""NRRD and MetaImage files, by SimpleITK."""

import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.imaging.faults import check_room, muted
from crln.imaging.format import Content, Format, Output
from crln.imaging.grid import MOST_CHANNELS, Grid, spatial_shape

if TYPE_CHECKING:
    from types import ModuleType

    import SimpleITK as sitk

_HEADERS = (".mhd", ".nhdr")
"""Files that lie beside that of their voxels."""
_METAIMAGE, _HEAD = (".mha", ".mhd"), 4096
_DIMENSIONS = (b"2", b"3", b"4", b"5")
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


class Itk(Format):
    """A kind of file that SimpleITK reads and writes."""

    def __init__(self, name: str, suffixes: tuple[str, ...]) -> None:
        self.name, self.suffixes, self.option = name, suffixes, name.lower()

    def grid(self, path: Path) -> Grid:
        """From the header."""
        reader = header(path)
        spatial_shape(path, _shape(reader), channels=MOST_CHANNELS)
        return header_grid(path, reader)

    def channels(self, path: Path) -> int:
        """Values a voxel, or the length of a fourth dimension."""
        return prod(_shape(header(path))[3:])

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """Of the file's own type."""
        sitk = itk()
        with muted():
            image = sitk.ReadImage(str(path))
        voxels = sitk.GetArrayFromImage(image)  # ([T,] Z, Y, X[, C])
        if image.GetNumberOfComponentsPerPixel() > 1:
            return np.moveaxis(voxels.reshape(-1, *voxels.shape[-4:])[0], 3, 0).T
        if voxels.ndim == 4 and len(voxels) > 1:
            return voxels.T
        return voxels.reshape(voxels.shape[-3:]).T

    def write(self, target: Path, output: Output) -> None:
        """Writes voxels, spacing, direction and origin."""
        sitk = itk()
        array, grid = output.array, output.grid
        several = array.ndim == 4
        image = sitk.GetImageFromArray(array.transpose(2, 1, 0, *range(3, array.ndim)), several)
        spacing = np.array(grid.spacing)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((LPS_TO_RAS @ grid.to_world[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin((LPS_TO_RAS @ grid.to_world[:3, 3]).tolist())
        sitk.WriteImage(image, str(target), useCompression=True)


def _shape(reader: "sitk.ImageFileReader") -> tuple[int, ...]:
    """(X, Y, Z, ...), values a voxel last."""
    return (*reader.GetSize(), reader.GetNumberOfComponents())


def itk() -> "ModuleType":
    """SimpleITK, which writes no warning of its own to the screen."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk  # type: ignore[no-any-return]


def header(path: Path) -> "sitk.ImageFileReader":
    """A reader that has read the header, and no voxel."""
    if path.suffix.lower() in _METAIMAGE:
        _check_dimensions(path)
    reader = itk().ImageFileReader()
    reader.SetFileName(str(path))
    with muted():
        reader.ReadImageInformation()
    beside = path.parent.iterdir() if path.suffix.lower() in _HEADERS else [path]
    stored = sum(file.stat().st_size for file in beside if file.is_file())
    check_room(path, _shape(reader), stored)
    return reader


def _check_dimensions(path: Path) -> None:
    """Raises ValueError where a MetaImage tells of a number of axes that ITK crashes at."""
    with path.open("rb") as file:
        found = re.search(rb"NDims *= *(\S*)", file.read(_HEAD))
    if found and found[1] not in _DIMENSIONS:
        raise ValueError(f"NDims = {found[1].decode('ascii', 'replace')}")


def header_grid(path: Path, reader: "sitk.ImageFileReader") -> Grid:
    """Where the voxels lie, however many values each has."""
    shape = spatial_shape(path, reader.GetSize(), channels=MOST_CHANNELS)
    dimension = reader.GetDimension()
    direction = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    return Grid(shape, ras_affine(direction, reader.GetSpacing()[:3], reader.GetOrigin()[:3]))


def ras_affine(
    direction: np.ndarray, spacing: tuple[float, ...], origin: tuple[float, ...]
) -> np.ndarray:
    """The RAS affine of ITK's geometry, which counts towards left and posterior (LPS)."""
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ direction * np.array(spacing)
    affine[:3, 3] = LPS_TO_RAS @ np.array(origin)
    return affine
