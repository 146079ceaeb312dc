from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest

from crln.errors import CrlnError
from crln.imaging import common_grid, read_label

pytestmark = pytest.mark.slow  # by highdicom

Save = Callable[..., Path]
SHAPE = (12, 10, 16)


@pytest.fixture
def outlines(tmp_path: Path, dicom: ModuleType) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    """Two SEG files of one series, of slices 2 to 4 and 8 to 12."""
    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[2:5, 3:6, 2:5] = second[2:5, 3:6, 8:13] = 1
    series = dicom.write_series(tmp_path / "s", np.zeros(SHAPE, np.int16), np.diag([1, 2, 3, 1]))
    a = dicom.write_seg(tmp_path / "a.dcm", series, {"liver": first})
    return a, dicom.write_seg(tmp_path / "b.dcm", series, {"liver": second}), first, second


def test_outlines_that_cover_parts_have_the_grid_that_holds_both(
    outlines: tuple[Path, Path, np.ndarray, np.ndarray],
) -> None:
    *files, first, second = outlines
    for paths in (files, files[::-1]):
        grid = common_grid(paths)
        assert grid.shape == (12, 10, 11)
        for path, mask in zip(files, (first, second), strict=True):
            np.testing.assert_array_equal(read_label(path, grid).array[0], mask[:, :, 2:13])


def test_a_mask_that_covers_the_scan_decides(
    outlines: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path, save: Save
) -> None:
    mask = save(tmp_path / "m.nii.gz", outlines[2], np.diag([1.0, 2, 3, 1]))
    assert common_grid([outlines[0], mask]).shape == SHAPE


def test_contours_alone_have_none(tmp_path: Path, dicom: ModuleType) -> None:
    path = dicom.write_rtstruct(tmp_path / "a.dcm", {"liver": []})
    with pytest.raises(CrlnError, match=r"a\.dcm: contours have no grid of their own"):
        common_grid([path, path])


def test_a_damaged_outline_is_told_of_in_one_line(
    outlines: tuple[Path, Path, np.ndarray, np.ndarray],
) -> None:
    damaged = pydicom.dcmread(outlines[1])
    damaged.PerFrameFunctionalGroupsSequence = []
    damaged.save_as(outlines[1])
    with pytest.raises(CrlnError, match=r"b\.dcm: truncated or not an image"):
        common_grid(outlines[:2])
