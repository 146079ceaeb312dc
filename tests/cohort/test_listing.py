import logging
import unicodedata
from pathlib import Path

import pytest

from crln.cohort import load_cohort
from crln.errors import CrlnError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three scans, no label."""
    touch(tmp_path, "images/a_1.nii.gz", "images/b_1.nii.gz", "images/c_1.nii.gz")
    return tmp_path


def labels(root: Path) -> dict[str, str]:
    return {case.id: case.label.path.name for case in load_cohort(root).labelled if case.label}


@pytest.mark.parametrize("ending", ["_seg.nii.gz", "_gt.nii", "-label.nrrd", "_mask.mha"])
def test_a_label_of_a_near_name_is_taken_and_told(
    data: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    touch(data, f"labels/a_1{ending}", f"labels/B_1{ending}")
    with caplog.at_level(logging.WARNING, "crln"):
        assert labels(data) == {"a_1": f"a_1{ending}", "b_1": f"B_1{ending}"}
    assert "taken for the label of" in caplog.text
    assert "(and 1 more by near names)" in caplog.text


def test_slicers_segmentation_is_the_label_of_its_scan(data: Path) -> None:
    touch(data, "labels/a_1.seg.nrrd")
    assert labels(data) == {"a_1": "a_1.seg.nrrd"}


def test_folders_may_be_spelt_in_other_letters(tmp_path: Path) -> None:
    touch(tmp_path, "Images/a.nii.gz", "LABELS/a.nii.gz")
    assert labels(tmp_path) == {"a": "a.nii.gz"}


def test_decomposed_letters_are_the_same_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "Jürgen"
    touch(tmp_path, f"images/{unicodedata.normalize('NFD', name)}.nii.gz", f"labels/{name}.nii.gz")
    (tmp_path / "test.list").write_text(unicodedata.normalize("NFD", name), encoding="utf-8")
    with caplog.at_level(logging.WARNING, "crln"):
        (case,) = load_cohort(tmp_path).test
    assert case.id == name
    assert case.label
    assert not caplog.records


def test_decomposed_letters_in_a_yaml_find_their_file(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Jürgen")
    touch(tmp_path, f"{decomposed}.nii")
    path = tmp_path / "cohort.yaml"
    path.write_text("unlabelled: [Jürgen.nii]", encoding="utf-8")
    (case,) = load_cohort(path).unlabelled
    assert case.images[0].exists()
    assert case.id == "Jürgen"
    path.write_text("unlabelled: [jurgen.nii]", encoding="utf-8")
    touch(tmp_path, "Jurgen.nii")
    with pytest.raises(CrlnError, match=r"no such file .*: the nearest is Jurgen\.nii"):
        load_cohort(path)


def test_the_nearest_name_is_offered_for_one_in_a_list(data: Path) -> None:
    (data / "test.list").write_text("A_1\nb_1\n")
    with pytest.raises(CrlnError, match=r"names case A_1, .*, or write a_1$"):
        load_cohort(data)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_may_begin_with_a_byte_order_mark(data: Path, encoding: str) -> None:
    (data / "test.list").write_text("a_1\r\nb_1\r\n", encoding=encoding, newline="")
    assert [case.id for case in load_cohort(data).test] == ["a_1", "b_1"]


def test_two_labels_that_may_be_of_one_scan_are_refused(data: Path) -> None:
    touch(data, "labels/a_1_seg.nii.gz", "labels/a_1_gt.nii.gz")
    with pytest.raises(CrlnError, match=r"a_1_gt\.nii\.gz: .* or to the same as a_1_seg\.nii\.gz"):
        load_cohort(data)


def test_the_nearest_name_is_the_remedy_of_a_label_without_a_scan(data: Path) -> None:
    touch(data, "images/patient_012.nii.gz", "labels/patient_12.nii.gz", "labels/z.nii.gz")
    with pytest.raises(
        CrlnError, match=r"patient_12\.nii\.gz: a label without a scan \(so are 1 more\).*; if it "
        r"is of patient_012, rename it patient_012\.nii\.gz",
    ):  # fmt: skip
        load_cohort(data)


@pytest.mark.parametrize("ending", [".mgz", ".img", ".nii.bz2", "_seg.png"])
def test_a_label_of_a_kind_that_is_not_read_is_named(data: Path, ending: str) -> None:
    touch(data, "labels/a_1.nii.gz", f"labels/b_1{ending}")
    with pytest.raises(CrlnError, match=rf"labels/b_1{ending}: a label of a kind that is not read"):
        load_cohort(data)


def test_what_is_no_label_of_a_case_is_told_and_left_out(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(data, "labels/a_1.nii.gz", "labels/a_1.mgz", "labels/b_1.json", "labels/readme.txt")
    touch(data, "images/d_1.mgz", "images/a_1.json")
    with caplog.at_level(logging.WARNING, "crln"):
        assert labels(data) == {"a_1": "a_1.nii.gz"}
    assert "labels: left out, of a kind that is not read: a_1.mgz, b_1.json, readme.txt (3)" in (
        caplog.text
    )
    assert "images: left out, of a kind that is not read: d_1.mgz (1)" in caplog.text


def test_the_voxels_of_a_header_beside_them_are_not_told_as_left_out(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(data, "images/d_1.mhd", "images/d_1.zraw", "images/e_1.nhdr", "images/e_1.raw.gz")
    touch(data, "labels/d_1.mhd", "labels/d_1.raw", "images/f_1.raw")
    with caplog.at_level(logging.WARNING, "crln"):
        assert labels(data) == {"d_1": "d_1.mhd"}
    assert [record.getMessage() for record in caplog.records] == [
        f"{data / 'images'}: left out, of a kind that is not read: f_1.raw (1)"
    ]


def test_outlines_among_the_scans_are_refused(data: Path) -> None:
    touch(data, "images/a_1.seg.nrrd")
    with pytest.raises(CrlnError, match=r"a_1\.seg\.nrrd: holds outlines, among the scans; move"):
        load_cohort(data)


@pytest.mark.parametrize(
    "name", ["a_1 copy", "a_1 (1)", "a_1 - Copy", "a_1 - Copy (2)", "Copy of a_1", "a_1_copy2"]
)
def test_a_copy_of_a_scan_is_told(data: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    touch(data, f"images/{name}.nii.gz")
    with caplog.at_level(logging.WARNING, "crln"):
        assert len(load_cohort(data).unlabelled) == 4
    assert f"{name}.nii.gz: looks like a copy of a_1, and counts as a case" in caplog.text


def test_numbers_of_cases_are_no_copies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, *(f"images/{n}.nii.gz" for n in ("p", "p1", "p 2", "p_3", "p (4)x", "q (1)")))
    with caplog.at_level(logging.WARNING, "crln"):
        load_cohort(tmp_path)
    assert not caplog.text
