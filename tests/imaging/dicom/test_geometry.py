"""Where a series lies: SimpleITK, nibabel and pydicom are asked about every mask."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset

from crln.errors import CrlnError
from crln.imaging import read_grid, read_image, write_mask

pytestmark = pytest.mark.slow

Change = Callable[[FileDataset, int], None]
STRAIGHT = np.diag([-0.7, -0.9, 2.5, 1.0])


def rounded(decimals: int) -> Change:
    def change(made: FileDataset, _: int) -> None:
        made.ImagePositionPatient = [f"{float(v):.{decimals}f}" for v in made.ImagePositionPatient]

    return change


def directions(decimals: int) -> Change:
    def change(made: FileDataset, _: int) -> None:
        made.ImageOrientationPatient = [
            f"{float(v):.{decimals}f}" for v in made.ImageOrientationPatient
        ]

    return change


def check_mask(
    dicom: ModuleType, series: Path, mask: Path, voxels: np.ndarray, apart: float
) -> None:
    """The mask opens in three libraries, on the series' own places, and is the voxels' mask."""
    write_mask(mask, (voxels > 0).astype(np.uint8), series)
    files = sorted(series.iterdir(), key=lambda file: int(file.stem))
    headers = [pydicom.dcmread(file) for file in files]
    image = sitk.ReadImage(str(mask))  # refuses directions that are not orthonormal
    assert image.GetSize() == voxels.shape
    nifti = nib.load(mask)
    assert int(nifti.header["qform_code"]) == int(nifti.header["sform_code"]) == 1
    np.testing.assert_allclose(nifti.get_qform(), nifti.get_sform(), atol=1e-4)
    for k, header in enumerate(headers):
        place = np.array(header.ImagePositionPatient, float)
        far = place + (voxels.shape[0] - 1) * float(header.PixelSpacing[1]) * np.array(
            header.ImageOrientationPatient[:3], float
        )
        for index, point in (((0, 0, k), place), ((voxels.shape[0] - 1, 0, k), far)):
            np.testing.assert_allclose(
                image.TransformIndexToPhysicalPoint(index), point, atol=apart
            )
            np.testing.assert_allclose(
                dicom.LPS @ (nifti.affine @ [*index, 1])[:3], point, atol=apart
            )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(reader.Execute()).T, voxels)
    np.testing.assert_array_equal(read_image([series]).array[0], voxels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, voxels > 0)


@pytest.mark.parametrize(
    ("change", "apart"),
    [(None, 1e-4), (rounded(2), 0.02), (rounded(1), 0.2), (directions(3), 0.03),
     (directions(6), 1e-3)],
)  # fmt: skip
def test_a_mask_of_an_oblique_series_opens_everywhere(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, change: Change | None, apart: float
) -> None:
    dicom.save_series(tmp_path / "series", slices, dicom.oblique(), change=change)
    check_mask(dicom, tmp_path / "series", tmp_path / "mask.nii.gz", slices, apart)


@pytest.mark.parametrize(("spacing", "decimals"), [(0.625, 1), (1.25, 1), (2.5, 0), (0.3125, 2)])
def test_positions_of_few_decimals_are_evenly_spaced(
    dicom: ModuleType, tmp_path: Path, spacing: float, decimals: int
) -> None:
    voxels = np.arange(4 * 5 * 30, dtype=np.int16).reshape(4, 5, 30)
    affine = np.diag([-0.7, -0.9, spacing, 1.0])
    dicom.save_series(tmp_path / "series", voxels, affine, change=rounded(decimals))
    check_mask(dicom, tmp_path / "series", tmp_path / "mask.nii.gz", voxels, 1.01 * 10.0**-decimals)
    found = read_grid(tmp_path / "series").spacing
    np.testing.assert_allclose(found, (0.7, 0.9, spacing), rtol=0.01)


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("gone", [1, 2, 6])
def test_a_missing_slice_is_noticed_however_positions_are_rounded(
    dicom: ModuleType, tmp_path: Path, decimals: int, gone: int
) -> None:
    voxels = np.arange(2 * 3 * 8, dtype=np.int16).reshape(2, 3, 8)
    files = dicom.save_series(
        tmp_path, voxels, np.diag([-1.0, -1.0, 1.0, 1.0]), change=rounded(decimals)
    )
    files[gone].unlink()
    line = f"2 mm from {gone - 1}.dcm to {gone + 1}.dcm, elsewhere 1 mm"
    with pytest.raises(CrlnError, match=f"slices are missing or unevenly spaced; export.*{line}"):
        read_grid(tmp_path)


@pytest.mark.parametrize(("count", "more"), [(5, 2), (40, 1)])
def test_slices_further_apart_at_one_end_are_refused(
    dicom: ModuleType, tmp_path: Path, count: int, more: int
) -> None:
    """Though no position has a decimal."""

    def stretch(made: FileDataset, k: int) -> None:
        made.ImagePositionPatient = [0, 0, 3 * k + more * max(0, k - count // 2)]

    voxels = np.arange(6 * count, dtype=np.int16).reshape(2, 3, count)
    dicom.save_series(tmp_path, voxels, STRAIGHT, change=stretch)
    with pytest.raises(CrlnError, match="missing or unevenly spaced"):
        read_grid(tmp_path)


@pytest.mark.parametrize("degrees", [0.5, 11, -20])
def test_a_tilted_gantry_is_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, degrees: float
) -> None:
    def tilt(made: FileDataset, k: int) -> None:
        made.ImagePositionPatient = [0, f"{k * 2.5 * np.tan(np.radians(degrees)):.6f}", k * 2.5]

    dicom.save_series(tmp_path, slices, STRAIGHT, change=tilt)
    with pytest.raises(CrlnError, match=rf"the gantry was tilted, by {abs(degrees):.3g} degrees"):
        read_grid(tmp_path)


def test_a_slice_that_is_there_twice_is_no_gap(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    files = dicom.save_series(tmp_path, slices, STRAIGHT)
    again = pydicom.dcmread(files[2])
    again.save_as(tmp_path / "copy.dcm")
    np.testing.assert_array_equal(read_image([tmp_path]).array[0], slices)  # the same file
    again.SOPInstanceUID = pydicom.uid.generate_uid()
    again.save_as(tmp_path / "copy.dcm")
    with pytest.raises(CrlnError, match=r"a slice is there twice, .*\(2.dcm and copy.dcm\); remov"):
        read_grid(tmp_path)


def test_several_scans_in_one_series_are_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    uid = pydicom.uid.generate_uid()
    for phase in ("a{}", "b{}", "c{}"):
        dicom.save_series(tmp_path, slices, STRAIGHT, uid=uid, name=phase)
    with pytest.raises(CrlnError, match="holds 3 scans at the same place, such as phases, echoes"):
        read_grid(tmp_path)


@pytest.mark.parametrize(
    ("tag", "value", "told"),
    [
        ("ImageOrientationPatient", [0, 1, 0, 0, 0, -1], "slices are turned in several ways"),
        ("PixelSpacing", [0.5, 0.5], "slices differ in size"),
    ],
)
def test_slices_of_several_scans_are_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray, tag: str, value: list, told: str
) -> None:
    def change(made: FileDataset, k: int) -> None:
        if k == 3:
            setattr(made, tag, value)

    dicom.save_series(tmp_path, slices, STRAIGHT, change=change)
    with pytest.raises(CrlnError, match=rf"{told} .*0\.dcm.*3\.dcm"):
        read_grid(tmp_path)


def test_directions_that_are_none_are_named(
    dicom: ModuleType, tmp_path: Path, slices: np.ndarray
) -> None:
    def change(made: FileDataset, _: int) -> None:
        made.ImageOrientationPatient = [1, 0, 0, 1, 0, 0]

    dicom.save_series(tmp_path, slices, STRAIGHT, change=change)
    with pytest.raises(CrlnError, match="its ImageOrientationPatient is no pair of directions"):
        read_grid(tmp_path)
