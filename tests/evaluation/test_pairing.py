"""Where the scans of labels are found."""

from pathlib import Path

from crln.evaluation.pairing import find_scans


def make(root: Path) -> Path:
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
        (root / folder / "a.nii.gz").write_bytes(b"not opened")
    return root


def test_scans_lie_beside_their_labels_or_in_the_cohort_that_is_named(tmp_path: Path) -> None:
    data = make(tmp_path / "data")
    found = {"a": (data / "images" / "a.nii.gz",)}
    for labels in (data, data / "labels", data / "labels" / "a.nii.gz"):
        assert find_scans(labels) == found
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    alone = tmp_path / "elsewhere" / "deep" / "x.nii.gz"
    assert find_scans(alone, data) == found


def test_without_a_cohort_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_scans(tmp_path / "a" / "b") == {}


def test_a_cohort_with_a_fault_is_passed_over(tmp_path: Path) -> None:
    data = make(tmp_path / "data")
    (data / "labels" / "cohort.yaml").write_text("cases: 3")
    assert set(find_scans(data / "labels")) == {"a"}
