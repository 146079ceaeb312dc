from pathlib import Path

import pytest

from crln.cohort import Case, Label, Slices, load_cohort
from crln.errors import CrlnError

GOOD = """
channels: [T1, FLAIR]
classes: {0: background, 1: lesion}
labelled:
  - {id: one, images: [scans/a_t1.nii.gz, scans/a_flair.nii.gz], label: outlines/a.nii.gz}
unlabelled:
  - {images: [scans/b_t1.nii.gz, scans/b_flair.nii.gz]}
test:
  - {id: three, images: [scans/c_t1.nii.gz, scans/c_flair.nii.gz]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for case in "abc":
        for channel in ("t1", "flair"):
            (tmp_path / "scans").mkdir(exist_ok=True)
            (tmp_path / "scans" / f"{case}_{channel}.nii.gz").touch()
    (tmp_path / "outlines").mkdir()
    (tmp_path / "outlines" / "a.nii.gz").touch()
    return tmp_path


def _refused(root: Path, text: str, message: str) -> None:
    (root / "cohort.yaml").write_text(text)
    with pytest.raises(CrlnError, match=message) as caught:
        load_cohort(root)
    assert "\n" not in str(caught.value)
    assert "cohort.yaml" in str(caught.value)


def test_files_and_splits_are_as_named(root: Path) -> None:
    (root / "cohort.yaml").write_text(GOOD)
    cohort = load_cohort(root)
    assert cohort == load_cohort(root / "cohort.yaml")
    images = tuple(root / "scans" / f"a_{channel}.nii.gz" for channel in ("t1", "flair"))
    assert cohort.labelled == (Case("one", images, Label(root / "outlines/a.nii.gz")),)
    assert [case.id for case in cohort.unlabelled] == ["b_t1"]
    assert [case.id for case in cohort.test] == ["three"]
    assert cohort.channels == ("T1", "FLAIR")
    assert cohort.class_names == {0: "background", 1: "lesion"}
    assert cohort.layout == "yaml"
    assert cohort.ordered


def test_one_image_needs_no_list(root: Path) -> None:
    text = "labelled: [{image: scans/a_t1.nii.gz, label: outlines/a.nii.gz}]\n"
    (root / "cohort.yaml").write_text(text + "unlabelled: [scans/b_t1.nii.gz]")
    cohort = load_cohort(root)
    assert [case.id for case in cohort] == ["a_t1", "b_t1"]
    assert cohort.channels == ("image",)


def test_a_label_tells_what_was_looked_for_and_a_case_its_group(root: Path) -> None:
    label = "{path: outlines/a.nii.gz, classes: [1, 2]}"
    text = GOOD.replace("label: outlines/a.nii.gz", f"label: {label}, group: patient 7")
    (root / "cohort.yaml").write_text(text)
    (case,) = load_cohort(root).labelled
    assert case.label == Label(root / "outlines/a.nii.gz", (1, 2))
    assert case.group == "patient 7"


def test_what_was_looked_for_may_be_named(root: Path) -> None:
    text = GOOD.replace("1: lesion}", "1: lesion, 4: cyst}")
    label = "{path: outlines/a.nii.gz, classes: [cyst, 1]}"
    (root / "cohort.yaml").write_text(text.replace("label: outlines/a.nii.gz", f"label: {label}"))
    (case,) = load_cohort(root).labelled
    assert case.label
    assert case.label.classes == (4, 1)


@pytest.mark.parametrize(
    "field",
    [
        "label: {path: outlines/a.nii.gz, kind: draft}",
        "draft: outlines/a.nii.gz",
        "draft: {path: outlines/a.nii.gz, classes: [1]}",
    ],
)
def test_a_draft_is_no_label(root: Path, field: str) -> None:
    (root / "cohort.yaml").write_text(
        "labelled:\n- {image: scans/b_t1.nii.gz, label: outlines/a.nii.gz}\n"
        f"unlabelled:\n- {{image: scans/a_t1.nii.gz, {field}}}\n"
    )
    (case,) = load_cohort(root).unlabelled
    assert case.label is None
    assert case.draft
    assert (case.draft.path, case.draft.kind) == (root / "outlines/a.nii.gz", "draft")
    assert case.mask == case.draft
    text = GOOD.replace("label: outlines/a.nii.gz", field)
    _refused(root, text, r"case one has no label, for a draft is none")


def test_a_draft_given_as_a_label_is_refused() -> None:
    with pytest.raises(CrlnError, match=r"a\.nii: case a: a draft is no label"):
        Case("a", (), Label(Path("a.nii"), kind="draft"))


@pytest.mark.parametrize("how", ["ignore: 9\n", "", "ignore: 255\n"])
def test_what_nobody_outlined_has_a_value(root: Path, how: str) -> None:
    named = GOOD if how else GOOD.replace("1: lesion}", "1: lesion, 7: ignore}")
    (root / "cohort.yaml").write_text(how + named)
    cohort = load_cohort(root)
    assert cohort.ignore == {"ignore: 9\n": 9, "": 7, "ignore: 255\n": 255}[how]
    assert cohort.class_names == {0: "background", 1: "lesion"}


def test_unnamed_channels_are_numbered(root: Path) -> None:
    (root / "cohort.yaml").write_text(GOOD.replace("channels: [T1, FLAIR]", ""))
    assert load_cohort(root).channels == ("channel 0", "channel 1")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("labelled:", "labeled:", "labeled: Extra inputs are not permitted"),
        ("classes: {0:", "classes: {zero:", "classes.zero"),
        ("id: one, ", "id: three, ", "names case three twice; give each case an id"),
        ("1: lesion}", "1: lesion, 2: lesion}", "calls the values 1 and 2 'lesion'"),
        ("labelled:", "ignore: 1\nlabelled:", "ignore is 1, which is 'lesion'; use another value"),
        ("a_flair", "gone", r"case one: no such file .*gone\.nii\.gz"),
        ("outlines/a", "outlines/gone", r"case one: no such file .*outlines/gone"),
        (", label: outlines/a.nii.gz", "", "case one has no label; name one, or move"),
        ("b_flair.nii.gz]", "b_flair.nii.gz], label: outlines/a.nii.gz", "b_t1 is unlabelled, yet"),
        (", scans/b_flair.nii.gz", "", "case b_t1 has 1 images where 2 channels are due"),
        ("[T1, FLAIR]", "[T1", r"cohort\.yaml: line 2: .*; mend the file"),
        ("outlines/a.nii.gz", "{path: outlines/a.nii.gz, kind: guess}", "label.kind: Input should"),
        ("outlines/a.nii.gz", "{file: outlines/a.nii.gz}", "label.path: Field required"),
        (
            "outlines/a.nii.gz",
            "{path: outlines/a.nii.gz, classes: [cist]}",
            r"case one: label\.classes: 'cist' is no class \(background, lesion\); name it",
        ),
        ("images: [scans/b_t1.nii.gz, ", "image: a, images: [", "give image or images, not both"),
        (
            "[scans/b_t1.nii.gz, scans/b_flair.nii.gz]",
            "[]",
            "unlabelled.0.images: List should",
        ),
    ],
)
def test_faults_are_named(root: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    _refused(root, GOOD.replace(old, new, 1), message)


def test_what_names_no_case(root: Path) -> None:
    _refused(root, "channels: [CT]", "names no case; list some under labelled, unlabelled")
    _refused(root, "- a\n- b", "Input should be")


@pytest.mark.parametrize(
    ("text", "slices"),
    [
        ("outlined", Slices()),
        ("[3, 7]", Slices(at=(3, 7))),
        ("{axis: y}", Slices(axis=1)),
        ("{at: [0], axis: x}", Slices(at=(0,), axis=0)),
    ],
)
def test_outlined_slices_are_of_a_label_or_of_all(root: Path, text: str, slices: Slices) -> None:
    own = GOOD.replace(
        "label: outlines/a.nii.gz", f"label: {{path: outlines/a.nii.gz, slices: {text}}}"
    )
    (root / "cohort.yaml").write_text(own)
    (case,) = load_cohort(root).labelled
    assert case.label == Label(root / "outlines/a.nii.gz", slices=slices)
    (root / "cohort.yaml").write_text(f"slices: {text}\n{GOOD}")
    cohort = load_cohort(root)
    assert {case.label.slices for case in cohort if case.label} == {slices}


def test_slices_of_a_case_are_those_of_its_labels_of_a_file_each(root: Path) -> None:
    own = GOOD.replace(
        "label: outlines/a.nii.gz", "labels: {lesion: outlines/a.nii.gz}, slices: [3, 7]"
    )
    (root / "cohort.yaml").write_text(own)
    (case,) = load_cohort(root).labelled
    assert case.label is not None
    assert case.label.slices == Slices(at=(3, 7))
    (root / "cohort.yaml").write_text(own.replace("labels: {lesion: outlines/a.nii.gz}, ", ""))
    with pytest.raises(CrlnError, match="slices of a case are those of its labels"):
        load_cohort(root)


def test_slices_that_cannot_be_are_named(root: Path) -> None:
    (root / "cohort.yaml").write_text(f"slices: {{axis: w}}\n{GOOD}")
    with pytest.raises(CrlnError, match=r"cohort\.yaml: .*slices.*axis"):
        load_cohort(root)


def test_ids_and_groups_are_the_words_that_were_written(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.nii").touch()
    text = """
labelled:
  - {id: 007, image: a.nii, label: a.nii, group: 12}
  - {id: 1e3, image: b.nii, label: b.nii, group: 2020-01-01}
unlabelled:
  - {id: 8, image: c.nii, group: no}
  - {id: "9", image: d.nii, group: ~}
classes: {0: background, 1: organ}
"""
    path = tmp_path / "cohort.yaml"
    path.write_text(text, encoding="utf-8-sig")
    cohort = load_cohort(path)
    assert [(case.id, case.group) for case in cohort] == [
        ("007", "12"), ("1e3", "2020-01-01"), ("8", "no"), ("9", None),
    ]  # fmt: skip
    assert cohort.class_names == {0: "background", 1: "organ"}
