"""A folder of DICOM slices, one series, by SimpleITK (voxels) and pydicom (geometry)."""

from pathlib import Path

import numpy as np

from crln.errors import CrlnError, needs
from crln.imaging.dicom_label import is_dicom_outline
from crln.imaging.format import Content, Format
from crln.imaging.grid import Grid
from crln.imaging.itk import ras_affine

_TAGS = ["Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"]
# Steps between slices may differ by this share: positions are written with few decimals.
_UNEVEN = 0.05


class Series(Format):
    """A folder that holds the slices of one series."""

    name = "a folder of DICOM slices"
    writes = False

    def grid(self, path: Path) -> Grid:
        """From the position that each slice states.

        Raises:
            CrlnError: not one series of two or more evenly spaced slices.
        """
        with needs("dicom", f"{path}: a series of DICOM slices"):
            import pydicom
            from pydicom.errors import InvalidDicomError

        try:
            slices = [
                pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
                for file in _slice_files(path)
            ]
            first = slices[0]
            shape = (int(first.Columns), int(first.Rows), len(slices))
            row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
            positions = np.array([s.ImagePositionPatient for s in slices], dtype=float)
            along_y, along_x = (float(side) for side in first.PixelSpacing)
        except (AttributeError, InvalidDicomError) as error:
            raise CrlnError(
                f"{path}: a slice does not state its place ({error}); export the series again"
            ) from error
        gap = _gap(path, positions)
        size = float(np.linalg.norm(gap))
        direction = np.stack([row, column, gap / size if size else gap], axis=1)
        return Grid(shape, ras_affine(direction, (along_x, along_y, size), tuple(positions[0])))

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """Rescaled, slices in the order of their positions."""
        import SimpleITK as sitk

        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(_slice_files(path))
        return sitk.GetArrayFromImage(reader.Execute()).T


def _gap(path: Path, positions: np.ndarray) -> np.ndarray:
    """The step (3,) from one slice to the next, from the slices' positions (n, 3)."""
    if len(positions) < 2:
        raise CrlnError(f"{path}: holds one slice where a 3D series is due; give the whole series")
    gap: np.ndarray = (positions[-1] - positions[0]) / (len(positions) - 1)
    if np.abs(np.diff(positions, axis=0) - gap).max() > _UNEVEN * np.linalg.norm(gap):
        raise CrlnError(f"{path}: slices are missing or unevenly spaced; export the series again")
    return gap


def slice_files(path: Path) -> list[Path]:
    """The files of a series in the order of Z; none where the path is no folder."""
    return [Path(file) for file in _slice_files(path)] if path.is_dir() else []


def _slice_files(path: Path) -> tuple[str, ...]:
    """The files of the folder's one series, sorted by position along the slice normal."""
    import SimpleITK as sitk

    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
    if len(series) > 1:  # an outline among the slices is a series of its own
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames
        series = [
            one
            for one in series
            if not all(is_dicom_outline(Path(file)) for file in names(str(path), one))
        ]
    if not series:
        raise CrlnError(f"{path}: holds no DICOM series; give a scan, or a folder of DICOM slices")
    if len(series) > 1:
        raise CrlnError(f"{path}: holds {len(series)} DICOM series; give a folder for each")
    files: tuple[str, ...] = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), series[0])
    return files
