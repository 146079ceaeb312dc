"""The record of opened files hears what Python opens, what libraries open, and the cache."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from crln.cohort import Case, Label, load_cohort
from crln.comparison.leaks import FINDING, RECORD, Recorder, opened_labels
from crln.errors import CrlnError
from crln.imaging import is_scan, read_grid, read_image, read_label
from crln.planning import Plan
from crln.preparation import prepare_cohort


@pytest.fixture(autouse=True)
def _seen_by_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python traces no audit hook that does not ask for it."""
    monkeypatch.setattr(Recorder._hear, "__cantrace__", True, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder whose training has begun."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").write_text("method: crln\n")
    (tmp_path / "run" / RECORD).touch()
    return tmp_path / "run"


@pytest.fixture
def nrrd(tmp_path: Path) -> Case:
    for name in ("scan", "label"):
        array = np.arange(64, dtype=np.uint8).reshape(4, 4, 4) % (64 if name == "scan" else 2)
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"{name}.nrrd"))
    return Case("a", (tmp_path / "scan.nrrd",), Label(tmp_path / "label.nrrd"))


@pytest.fixture
def archive(tmp_path: Path) -> Case:
    path = tmp_path / "a_norm.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.arange(64, dtype=np.float32).reshape(4, 4, 4)
        file["label"] = np.ones((4, 4, 4), np.uint8)
    return Case("a", (path,), Label(path))


def test_a_training_without_a_record_of_all_its_sessions_is_unknown(
    folder: Path, nrrd: Case
) -> None:
    (folder / RECORD).unlink()
    assert opened_labels(folder, [nrrd]) is None
    for _ in range(2):
        with Recorder(folder):  # the run had begun before it
            read_image(nrrd.images)
        assert opened_labels(folder, [nrrd]) is None


def test_nothing_opened_is_no_leak(folder: Path, nrrd: Case) -> None:
    with Recorder(folder):
        read_image(nrrd.images)
    assert opened_labels(folder, [nrrd]) == []
    assert str(nrrd.images[0]) in (folder / RECORD).read_text()


def test_a_label_opened_by_python_is_heard(folder: Path, nrrd: Case) -> None:
    with Recorder(folder):
        nrrd.label.path.open("rb").close()
    assert opened_labels(folder, [nrrd]) == ["a"]


@pytest.mark.parametrize("read", [read_label, read_grid])
def test_a_label_opened_by_a_library_is_heard(folder: Path, nrrd: Case, read) -> None:
    with Recorder(folder):
        read(nrrd.label.path)
    assert opened_labels(folder, [nrrd]) == ["a"]


def test_another_name_of_the_label_is_heard(folder: Path, nrrd: Case, tmp_path: Path) -> None:
    (tmp_path / "innocent.nrrd").symlink_to(nrrd.label.path)
    with Recorder(folder):
        read_label(tmp_path / "innocent.nrrd")
    assert opened_labels(folder, [nrrd]) == ["a"]


def test_of_an_archive_only_the_label_counts(folder: Path, archive: Case) -> None:
    with Recorder(folder):
        read_image(archive.images)
    assert opened_labels(folder, [archive]) == []
    with Recorder(folder):
        read_label(archive.label.path)
    assert opened_labels(folder, [archive]) == ["a"]


@pytest.mark.slow
def test_an_outline_among_the_slices_counts_where_it_is_read_as_a_label(
    folder: Path, tmp_path: Path, dicom: ModuleType
) -> None:
    mask = np.zeros((6, 5, 4), np.uint8)
    mask[2:4, 2:4, 1:3] = 1
    series = dicom.write_series(tmp_path / "series", mask.astype(np.int16), np.eye(4))
    label = dicom.write_seg(series / "SEG", series, {"liver": mask})
    case = Case("a", (series,), Label(label))
    with Recorder(folder):
        read_image([series])
        is_scan(series)
    assert opened_labels(folder, [case]) == []
    with Recorder(folder):
        read_label(label)
    assert opened_labels(folder, [case]) == ["a"]


def test_a_prepared_copy_of_a_label_counts(phantom: Path, tiny_plan: Plan, folder: Path) -> None:
    test = load_cohort(phantom).test
    prepare_cohort(test, tiny_plan)  # from here on the cache holds them
    with Recorder(folder):
        prepare_cohort(test[:1], tiny_plan)
    assert opened_labels(folder, test) == [test[0].id]


def test_what_was_opened_before_the_run_began_is_kept(tmp_path: Path, nrrd: Case) -> None:
    with Recorder(tmp_path / "run"):
        read_label(nrrd.label.path)
        (tmp_path / "run").mkdir()
        assert not (tmp_path / "run" / RECORD).exists()
        (tmp_path / "run" / "run.yaml").write_text("method: crln\n")
        read_image(nrrd.images)
    assert opened_labels(tmp_path / "run", [nrrd]) == ["a"]


def test_it_is_written_at_once_and_sessions_add_up(folder: Path, nrrd: Case) -> None:
    with Recorder(folder):
        read_label(nrrd.label.path)
        assert opened_labels(folder, [nrrd]) == ["a"]  # also if the process is killed now
    with Recorder(folder):
        read_image(nrrd.images)
    assert opened_labels(folder, [nrrd]) == ["a"]
    lines = [tuple(json.loads(line)) for line in (folder / RECORD).read_text().splitlines()]
    assert ("label", str(nrrd.label.path)) in lines


def test_nothing_is_heard_afterwards_nor_numbers_nor_code(folder: Path, nrrd: Case) -> None:
    with Recorder(folder), nrrd.images[0].open("rb") as file:
        open(file.fileno(), "rb", closefd=False).close()
        Path(__file__).open().close()
        open(bytes(nrrd.images[0]), "rb").close()
    read_label(nrrd.label.path)
    lines = [json.loads(line) for line in (folder / RECORD).read_text().splitlines()]
    assert lines == [["open", str(nrrd.images[0])]]


def test_a_damaged_record_is_told(folder: Path, nrrd: Case) -> None:
    (folder / RECORD).write_text('{"a": 1]\n')
    with pytest.raises(CrlnError, match="damaged"):
        opened_labels(folder, [nrrd])
    (folder / RECORD).write_text('["open", "/a"]\n["op')  # its process was killed
    assert opened_labels(folder, [nrrd]) == []


def test_what_was_found_counts_when_the_record_is_gone(
    folder: Path, nrrd: Case, archive: Case
) -> None:
    with Recorder(folder):
        read_label(nrrd.label.path)
    assert opened_labels(folder, [nrrd]) == ["a"]
    (folder / RECORD).unlink()
    assert opened_labels(folder, [nrrd]) == ["a"]
    assert opened_labels(folder, []) == []
    assert opened_labels(folder, [nrrd, replace(archive, id="b")]) is None  # never looked for
    (folder / FINDING).write_text("{}")
    with pytest.raises(CrlnError, match="cases: Field required; restore it or train the cell"):
        opened_labels(folder, [nrrd])
