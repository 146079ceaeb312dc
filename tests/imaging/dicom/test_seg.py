import logging
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from crln.errors import CrlnError
from crln.imaging import Grid, label_names, read_grid, read_label

pytestmark = pytest.mark.slow  # by highdicom

SHAPE = (11, 9, 8)  # frames of 99 pixels, 12 bytes and 3 bits
TURN = np.array([[0.8, -0.6, 0], [0.48, 0.64, -0.6], [0.36, 0.48, 0.8]])
AFFINE = np.block([[TURN * (0.8, 1.2, 2.5), np.array([[11.0], [-7], [40]])],
                   [np.zeros((1, 3)), np.ones((1, 1))]])  # fmt: skip
GRID = Grid(SHAPE, AFFINE)


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> Path:
    scan = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return dicom.write_series(tmp_path / "images" / "case", scan, AFFINE)


@pytest.fixture
def masks() -> dict[str, np.ndarray]:
    liver, spleen = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    liver[2:6, 3:8, 2:5] = 1
    spleen[7:10, 1:4, 4:7] = 1
    spleen[0, 0, 6] = 1
    return {"Liver": liver, "spleen": spleen}


def test_segments_are_read_by_number_and_by_name_and_empty_slices_have_no_frame(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType
) -> None:
    path = dicom.write_seg(tmp_path / "labels" / "case.dcm", series, masks)
    assert pydicom.dcmread(path).NumberOfFrames == 6  # of 16
    assert label_names(path) == {1: "Liver", 2: "spleen"}
    expected = masks["Liver"] + 2 * masks["spleen"]
    np.testing.assert_array_equal(read_label(path, read_grid(series)).array[0], expected)
    named = read_label(path, GRID, {3: "SPLEEN", 5: "liver"}).array[0]
    np.testing.assert_array_equal(named, 5 * masks["Liver"] + 3 * masks["spleen"])


def test_a_label_map_is_read(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType
) -> None:
    path = dicom.write_seg(tmp_path / "case.dcm", series, masks, "LABELMAP")
    expected = masks["Liver"] + 2 * masks["spleen"]
    np.testing.assert_array_equal(read_label(path, GRID).array[0], expected)
    alone = read_label(path, GRID, {1: "spleen"}).array[0]
    np.testing.assert_array_equal(alone, masks["spleen"])


def test_a_nifti_scan_of_the_same_place_takes_the_segments_too(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType
) -> None:
    path = dicom.write_seg(tmp_path / "case.dcm", series, masks)
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    order = np.eye(4)[[2, 0, 1, 3]]
    grid = Grid((SHAPE[2], SHAPE[0], SHAPE[1]), AFFINE @ flip @ order.T)
    expected = (masks["Liver"] + 2 * masks["spleen"])[::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(read_label(path, grid).array[0], expected)


def test_fractions_of_half_and_more_are_inside_and_that_is_told(
    tmp_path: Path, series: Path, dicom: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    share = np.zeros(SHAPE)
    share[1:5, 2, 3] = (0.2, 0.49, 0.51, 1)
    path = dicom.write_seg(tmp_path / "case.dcm", series, {"liver": share}, "FRACTIONAL")
    with caplog.at_level(logging.WARNING, "crln"):
        found = read_label(path, GRID).array[0]
    np.testing.assert_array_equal(found, share > 0.5)
    assert "fractional segments; half of a voxel and more counts as inside" in caplog.text


def test_overlapping_segments_are_told(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    masks["tumour"] = np.zeros(SHAPE, np.uint8)
    masks["tumour"][3:5, 4:6, 3] = 1
    path = dicom.write_seg(tmp_path / "case.dcm", series, masks)
    with caplog.at_level(logging.WARNING, "crln"):
        found = read_label(path, GRID).array[0]
    assert (found[masks["tumour"] > 0] == 3).all()
    assert "Liver and tumour overlap in 4 voxels; taken for tumour" in caplog.text


def test_segments_of_another_grid_are_refused(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType
) -> None:
    path = dicom.write_seg(tmp_path / "case.dcm", series, masks)
    between = AFFINE.copy()
    between[:3, 3] += 0.4 * AFFINE[:3, 2]
    for affine in (between, AFFINE @ np.diag([1, 1, 2, 1]), AFFINE @ np.diag([0.5, 0.5, 1, 1])):
        with pytest.raises(CrlnError, match=r"case\.dcm: a frame lies between the scan's voxels"):
            read_label(path, Grid(SHAPE, affine))
    with pytest.raises(CrlnError, match=r"case\.dcm: a segment lies outside of the scan"):
        read_label(path, Grid((11, 9, 4), AFFINE))


def test_a_segmentation_alone_has_the_grid_of_its_frames(
    tmp_path: Path, series: Path, masks: dict[str, np.ndarray], dicom: ModuleType
) -> None:
    found = read_label(dicom.write_seg(tmp_path / "case.dcm", series, masks))
    assert found.grid.shape == (11, 9, 5)  # slices 2 to 6 have frames
    np.testing.assert_allclose(found.grid.to_world, AFFINE @ _shift(2), atol=1e-4)
    expected = masks["Liver"] + 2 * masks["spleen"]
    np.testing.assert_array_equal(found.array[0], expected[:, :, 2:7])


def _shift(slices: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[2, 3] = slices
    return matrix
