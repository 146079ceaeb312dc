import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Case, Label
from crln.comparison import Comparison
from crln.comparison.measure import measure_cell, measure_outside
from crln.errors import CrlnError
from crln.labels import LabelSpace
from crln.planning import Plan

PLAN = Plan(labels=LabelSpace((0, 85, 255), ("background", "a", "b")))


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.diag([2.0, 2.0, 2.0, 1.0])), path)
    return path


@pytest.fixture
def truth() -> np.ndarray:
    array = np.zeros((8, 8, 8))
    array[1:4, 1:4, 1:4] = 85
    array[5:7, 5:7, 5:7] = 255
    return array


@pytest.fixture
def test_cases(tmp_path: Path, truth: np.ndarray) -> list[Case]:
    label = write(tmp_path / "labels" / "one.nii.gz", truth)
    return [Case("one", (label,), Label(label))]


def test_masks_of_a_cell_are_measured_once(
    finished_comparison: tuple[Comparison, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison, _ = finished_comparison
    cell, test = comparison.cells[0], comparison.test
    first = measure_cell(cell, test, "mm")

    def measured(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("crln.comparison.measure.evaluate_pairs", measured)
    again = measure_cell(cell, test, "mm")
    assert again.last.values("dice") == first.last.values("dice")
    assert again.largest.largest_component
    assert not again.last.largest_component
    with pytest.raises(AssertionError, match="measured again"):
        measure_cell(cell, test, "voxel")
    os.utime(cell.mask(test[0]))  # a mask was written since
    with pytest.raises(AssertionError, match="measured again"):
        measure_cell(cell, test, "mm")


def test_any_tools_masks_by_the_cases_names(
    test_cases: list[Case], truth: np.ndarray, tmp_path: Path
) -> None:
    speck = truth.copy()
    speck[0, 7, 7] = 85
    write(tmp_path / "masks" / "one.nii.gz", speck)
    write(tmp_path / "masks" / "another.nii.gz", speck)
    measured = measure_outside(tmp_path / "masks", test_cases, PLAN, "voxel", tmp_path / "out")
    assert measured.last.cases == ("one",)
    assert measured.last.values("dice", 85) == {"one": pytest.approx(2 * 27 / 55)}
    assert measured.largest.values("dice", 85) == {"one": 1.0}
    assert (tmp_path / "out" / "metrics.json").exists()
    assert not (tmp_path / "out" / "masks").exists()


def test_classes_of_nnunet_are_mapped_back(
    test_cases: list[Case], truth: np.ndarray, tmp_path: Path
) -> None:
    write(tmp_path / "masks" / "one.nii.gz", np.searchsorted([0, 85, 255], truth))
    notes = {"crln_label_values": {"0": 0, "1": 85, "2": 255}}
    (tmp_path / "masks" / "dataset.json").write_text(json.dumps(notes))
    measured = measure_outside(tmp_path / "masks", test_cases, PLAN, "mm", tmp_path / "out")
    assert measured.last.values("dice") == {"one": 1.0}
    (tmp_path / "masks" / "dataset.json").write_text("[")
    with pytest.raises(CrlnError, match=r"dataset\.json: line 1: .*; restore or remove it"):
        measure_outside(tmp_path / "masks", test_cases, PLAN, "mm", tmp_path / "out")


def test_a_missing_mask_is_told(test_cases: list[Case], truth: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "masks" / "two.nii.gz", truth)
    with pytest.raises(CrlnError, match="no mask for 1 of 1 test cases, the first 'one'"):
        measure_outside(tmp_path / "masks", test_cases, PLAN, "mm", tmp_path / "out")
