import json
from pathlib import Path

import pytest

from crln.cohort import Case, Label, Slices, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.imaging import list_folder


def lay(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Both organs of a, the liver of b, the spleen of c, nothing of d."""
    return lay(
        tmp_path, *(f"images/{case}.nii.gz" for case in "abcd"), "labels-spleen/a.nii.gz",
        "labels-spleen/c.nii.gz", "labels-liver/a.nii.gz", "labels-liver/b_seg.nii.gz",
    )  # fmt: skip


def cases(root: Path) -> dict[str, Case]:
    return {case.id: case for case in load_cohort(root)}


def name_classes(root: Path, **values: int) -> None:
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, **values}}))


def test_folders_of_a_class_each_make_one_label_that_says_what_was_looked_for(root: Path) -> None:
    liver, spleen = root / "labels-liver", root / "labels-spleen"
    cohort, found = load_cohort(root), cases(root)
    assert cohort.class_names == {0: "background", 1: "liver", 2: "spleen"}
    both = ((1, liver / "a.nii.gz"), (2, spleen / "a.nii.gz"))
    assert found["a"].label == Label(liver / "a.nii.gz", parts=both)
    (b,) = ((1, liver / "b_seg.nii.gz"),)
    assert found["b"].label == Label(liver / "b_seg.nii.gz", (1,), parts=(b,))
    (c,) = ((2, spleen / "c.nii.gz"),)
    assert found["c"].label == Label(spleen / "c.nii.gz", (2,), parts=(c,))
    assert [case.id for case in cohort.unlabelled] == ["d"]
    assert set(cohort.files) > {path for folder in (liver, spleen) for path in folder.iterdir()}


def test_values_are_those_of_the_named_classes(root: Path) -> None:
    """A class without a folder was looked for nowhere; one beside labels/ is known to these."""
    name_classes(root, Spleen=3, kidney=7, liver=5)
    label = cases(root)["a"].label
    assert label
    assert label.classes == (3, 5)
    assert [value for value, _ in label.parts] == [3, 5]
    lay(root, "labels/d.nii.gz")
    assert cases(root)["d"].label == Label(root / "labels/d.nii.gz")


@pytest.mark.parametrize(
    ("files", "values", "message"),
    [
        (["labels/d.nii.gz"], {}, r"labels-liver: labels/ holds values, and none of dataset\.json"),
        (
            [],
            {"liver": 1},
            r"labels-spleen: dataset\.json names classes, .* called spleen",
        ),
        (["labels/a.nii.gz"], {"liver": 1, "spleen": 2}, r"case a has a label of all classes, "),
        (["labels-liver/z.nii.gz"], {}, r"labels-liver/z\.nii\.gz: a label without a scan"),
        (["drafts/z.nii.gz"], {}, r"drafts/z\.nii\.gz: a label without a scan"),
    ],
)
def test_what_is_at_odds_is_named(
    root: Path, files: list[str], values: dict[str, int], message: str
) -> None:
    lay(root, *files)
    if values:
        name_classes(root, **values)
    with pytest.raises(CrlnError, match=message):
        load_cohort(root)


def test_drafts_are_of_scans_without_a_label_or_without_its_use(root: Path) -> None:
    lay(root, "drafts/a.nii.gz", "drafts/d.nii.gz")
    (root / "train.list").write_text("b\na\nc\nd\n")
    cohort = load_cohort(root)
    assert [case.id for case in cohort.labelled] == ["b", "a", "c"]
    (d,) = cohort.unlabelled
    assert d.draft == Label(root / "drafts/d.nii.gz", kind="draft")
    drawn = split_cohort(cohort, labelled=1, test=1)
    of_a = Label(root / "drafts/a.nii.gz", kind="draft")
    assert {case.id: case.mask for case in drawn.unlabelled} == {"d": d.draft, "a": of_a}


def test_sparse_labels_tell_of_the_slices_that_hold_anything(root: Path) -> None:
    (root / "test.list").write_text("c\n")
    cohort = load_cohort(root, sparse=True)
    assert {case.label.slices for case in cohort if case.label} == {Slices()}
    assert [case.id for case in cohort.test] == ["c"]


def test_every_folder_of_labels_is_listed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may hold tens of thousands of files, on a drive far away."""
    lay(root, "drafts/d.nii.gz")
    listed = []

    def entries(folder: Path) -> list[Path]:
        listed.append(folder.name)
        return list_folder(folder)

    monkeypatch.setattr("crln.cohort.listing.list_folder", entries)
    assert cases(root)["d"].draft
    assert sorted(listed) == ["drafts", "images", "labels-liver", "labels-spleen"]
