import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crln.cohort import Case, Label
from crln.comparison import Cell, Comparison
from crln.comparison.measure import measure_cell, measure_outside
from crln.errors import CrlnError
from crln.evaluation.metrics import Measuring
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


@pytest.fixture
def not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("crln.comparison.measure.evaluate_both", measured)


@pytest.fixture
def kept(comparison: Comparison, tmp_path: Path) -> tuple[Cell, list[Case]]:
    """A measured cell and its test cases, to be changed."""
    cell = replace(comparison.cells[0], folder=tmp_path / comparison.cells[0].name)
    shutil.copytree(comparison.cells[0].folder, cell.folder)
    labels = tmp_path / "labels"
    labels.mkdir()
    test = [
        replace(case, label=Label(Path(shutil.copy2(case.label.path, labels))))
        for case in comparison.test
    ]
    measure_cell(cell, test, Measuring("mm"), str)
    return cell, test


@pytest.mark.slow
def test_masks_of_a_cell_are_measured_once(
    kept: tuple[Cell, list[Case]], comparison: Comparison, not_again: None
) -> None:
    cell, test = kept
    os.utime(cell.mask(test[0]))  # another time of writing is no other content
    again = measure_cell(cell, test, Measuring("mm"), str)
    assert again.last.values("dice") == comparison.rows[0].last[0].values("dice")
    assert again.largest.largest_component
    assert not again.last.largest_component
    with pytest.raises(AssertionError, match="measured again"):
        measure_cell(cell, test, Measuring("voxel"), str)


@pytest.mark.slow
def test_a_corrected_test_label_is_told_and_measured_anew(
    kept: tuple[Cell, list[Case]],
) -> None:
    """Same path, same size, same times: only the content tells."""
    cell, test = kept
    before = test[1].label.path.stat()
    shutil.copy(cell.mask(test[1]), test[1].label.path)
    os.utime(test[1].label.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said: list[str] = []
    again = measure_cell(cell, test, Measuring("mm"), said.append)
    assert again.last.values("dice")[test[1].id] == 1
    assert said == [
        f"{cell.name}: the label of {test[1].id} has changed since it was measured; measured anew"
    ]
    said.clear()
    measure_cell(cell, test, Measuring("mm"), said.append)
    assert said == []


def test_without_its_masks_a_cell_is_not_measured_against_a_corrected_label(
    kept: tuple[Cell, list[Case]],
) -> None:
    cell, test = kept
    shutil.copy(cell.mask(test[1]), test[1].label.path)
    shutil.rmtree(cell.folder / "masks")
    for path in cell.folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(CrlnError, match=f"the label of {test[1].id} has changed since it was"):
        measure_cell(cell, test, Measuring("mm"), str)


def test_figures_of_an_earlier_version_are_measured_anew_while_there_are_masks(
    kept: tuple[Cell, list[Case]],
) -> None:
    cell, test = kept
    path = cell.folder / "metrics.json"
    record = json.loads(path.read_text())
    for row in record["rows"]:
        del row["nsd"]
    path.write_text(json.dumps(record))
    assert "nsd" in {m.key for m in measure_cell(cell, test, Measuring("mm"), str).last.metrics}


@pytest.mark.slow
def test_fine_structures_are_measured_once_they_are_asked_for_and_kept(
    kept: tuple[Cell, list[Case]],
) -> None:
    cell, test = kept
    plain, fine = Measuring("mm"), Measuring("mm", fine=True)
    for how, known in ((plain, False), (fine, True), (plain, True)):
        measured = measure_cell(cell, test, how, str)
        assert ("betti" in {m.key for m in measured.last.metrics}) is known


def test_any_tools_masks_by_the_cases_names(
    test_cases: list[Case], truth: np.ndarray, tmp_path: Path
) -> None:
    speck = truth.copy()
    speck[0, 7, 7] = 85
    write(tmp_path / "masks" / "one.nii.gz", speck)
    write(tmp_path / "masks" / "another.nii.gz", speck)
    measured = measure_outside(
        tmp_path / "masks", test_cases, PLAN, Measuring("voxel"), tmp_path / "out"
    )
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
    measured = measure_outside(
        tmp_path / "masks", test_cases, PLAN, Measuring("mm"), tmp_path / "out"
    )
    assert measured.last.values("dice") == {"one": 1.0}
    (tmp_path / "masks" / "dataset.json").write_text("[")
    with pytest.raises(CrlnError, match=r"dataset\.json: line 1: .*; restore or remove it"):
        measure_outside(tmp_path / "masks", test_cases, PLAN, Measuring("mm"), tmp_path / "out")


def test_a_missing_mask_is_told(test_cases: list[Case], truth: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "masks" / "two.nii.gz", truth)
    with pytest.raises(CrlnError, match="no mask for 1 of 1 test cases, the first 'one'"):
        measure_outside(tmp_path / "masks", test_cases, PLAN, Measuring("mm"), tmp_path / "out")
