from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from crln.errors import CrlnError
from crln.evaluation import evaluate
from crln.imaging import write_mask
from crln.labels import LabelSpace

pytestmark = pytest.mark.slow  # by highdicom

SHAPE = (12, 10, 16)
AFFINE = np.diag([1.0, 2, 3, 1])


def _box(first: int, last: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:9, 3:8, first:last] = 1
    return mask


@pytest.fixture
def series(tmp_path: Path, dicom: ModuleType) -> Path:
    return dicom.write_series(tmp_path / "s", np.zeros(SHAPE, np.int16), AFFINE)


def _nifti(path: Path, mask: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(mask, AFFINE), path)
    return path


@pytest.mark.parametrize("folder", [False, True])
def test_a_label_is_measured_by_its_names_whatever_its_numbers(
    tmp_path: Path, series: Path, dicom: ModuleType, folder: bool
) -> None:
    liver, tumour = _box(2, 6), _box(8, 12)
    truth = tmp_path / "labels" / ("a/1.dcm" if folder else "a.dcm")
    dicom.write_seg(truth, series, {"Tumour": tumour, "couch": _box(13, 15), "LIVER": liver})
    _nifti(tmp_path / "masks" / "a.nii.gz", 5 * liver + 7 * tumour)
    labels = LabelSpace((0, 5, 7), ("background", "liver", "tumour"))
    found = evaluate(tmp_path / "masks", tmp_path / "labels", classes=labels)
    assert [found.values("dice", value)["a"] for value in (5, 7)] == [1, 1]


def test_two_segmentations_are_measured_where_either_holds_something(
    tmp_path: Path, series: Path, dicom: ModuleType
) -> None:
    dicom.write_seg(tmp_path / "labels" / "a.dcm", series, {"liver": _box(2, 6)})
    couch = {"couch": _box(12, 14), "liver": _box(4, 10)}
    dicom.write_seg(tmp_path / "masks" / "a.dcm", series, couch)
    found = evaluate(tmp_path / "masks", tmp_path / "labels")
    dice = {name: found.values("dice", value)["a"] for value, name in found.class_names.items()}
    assert dice == {"liver": pytest.approx(2 * 2 / (4 + 6)), "couch": 0}


@pytest.mark.parametrize("ending", [".dcm", ".seg.dcm", ".rtstruct.dcm"])
def test_contours_are_measured_on_the_scan_that_their_cohort_knows(
    tmp_path: Path, series: Path, ending: str
) -> None:
    data, truth = tmp_path / "data", _box(2, 6) + 2 * _box(8, 12)
    (data / "images").mkdir(parents=True)
    scan = series.rename(data / "images" / "a")
    labels = LabelSpace((0, 1, 2), ("background", "liver", "tumour"))
    for folder in (data / "labels", tmp_path / "masks"):
        folder.mkdir()
    write_mask(data / "labels" / "a.rtstruct.dcm", truth, scan, labels=labels)
    outlined = truth.copy()
    outlined[:, :, 2:4] = 0
    write_mask(tmp_path / "masks" / f"a{ending}", outlined, scan, labels=labels)
    found = evaluate(tmp_path / "masks", data)
    dice = {name: found.values("dice", value)["a"] for value, name in found.class_names.items()}
    assert dice == {"liver": pytest.approx(2 * 2 / (4 + 2)), "tumour": 1}
    with pytest.raises(CrlnError, match="no grid of their own; give the scan's cohort, or"):
        evaluate(tmp_path / "masks", data / "labels")
