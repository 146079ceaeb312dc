"""What voxels of slices measure; pydicom's own stored values are the oracle."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import RLELossless

from crln.errors import CrlnError
from crln.imaging import read_image


def stored(folder: Path) -> np.ndarray:
    """Rescaled by hand, in 64 bits."""
    files = sorted(folder.iterdir(), key=lambda file: int(file.stem))
    slices = [pydicom.dcmread(file) for file in files]
    return np.stack(
        [s.pixel_array.T * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices], -1
    )


@pytest.mark.parametrize(
    ("slopes", "intercept"),
    [
        ([0.001, 0.0013, 0.002, 0.0021, 0.003], 0),  # positron emission
        ([1, 0.001, 0.001, 0.001, 0.001], 0),
        ([1, 40, 40, 40, 40], -5),
        ([1, 1, 1, 1, 1], -1024),
        ([2.5, 1, 1, 1, 1], -0.5),
    ],
)
def test_each_slice_has_its_own_slope(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, slopes: list[float], intercept: float
) -> None:
    def change(made: FileDataset, k: int) -> None:
        made.RescaleSlope, made.RescaleIntercept = str(slopes[k]), str(intercept)

    dicom.save_series(tmp_path, slices, dicom.oblique(), change=change)
    found = read_image([tmp_path]).array[0]
    np.testing.assert_allclose(found, stored(tmp_path), rtol=1e-6, atol=1e-6)


def test_compressed_slices_are_read(dicom: ModuleType, tmp_path: Path, slices: np.ndarray) -> None:
    for file in dicom.save_series(tmp_path, slices, dicom.oblique()):
        packed = pydicom.dcmread(file)
        packed.compress(RLELossless)
        packed.save_as(file)
    np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)


def test_frames_of_an_enhanced_file_have_slopes_of_their_own(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    rescale = [(0.5, -7.0), (0.25, 0.0), (2.0, 3.0), (1.0, 0.0), (0.1, 1.0)]
    file = dicom.save_enhanced(tmp_path / "a.dcm", slices, dicom.oblique(), order=[3, 0, 4, 2, 1],
                         rescale=rescale)  # fmt: skip
    slope, intercept = np.array(rescale).T
    np.testing.assert_allclose(
        read_image([file]).array[0], slices * slope + intercept, rtol=1e-5, atol=1e-5
    )


def test_a_truncated_slice_is_named(dicom: ModuleType, tmp_path: Path, slices: np.ndarray) -> None:
    files = dicom.save_series(tmp_path, slices, dicom.oblique())
    files[3].write_bytes(files[3].read_bytes()[:-60])
    with pytest.raises(CrlnError, match=r"3\.dcm: truncated or not an image; copy or export it"):
        read_image([tmp_path])
