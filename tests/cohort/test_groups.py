import logging
from pathlib import Path

import pytest

from crln.cohort import Case, Cohort, Label, load_cohort, repeated_patients, split_cohort
from crln.cohort.groups import group_by, suggested_pattern
from crln.errors import CrlnError


def cohort(*ids: str, group: str | None = None) -> Cohort:
    cases = tuple(Case(id, (Path(id),), Label(Path(id)), group) for id in ids)
    return Cohort(Path("data"), "folders", labelled=cases)


def groups(found: Cohort) -> list[str | None]:
    return [case.group for case in found.labelled]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"patient(\d+)", ["1", "1", "2"]),
        (r"patient\d+", ["patient1", "patient1", "patient2"]),
        (r"(pat)ient(\d)", ["pat 1", "pat 1", "pat 2"]),
    ],
)
def test_what_the_pattern_finds_is_the_group(pattern: str, expected: list[str]) -> None:
    found = group_by(cohort("patient1_a", "patient1_b", "patient2_a"), pattern)
    assert groups(found) == expected
    assert found.grouping == pattern


def test_a_name_without_the_pattern_stands_alone_and_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "crln"):
        assert groups(group_by(cohort("p1_a", "x"), r"p(\d)")) == ["1", None]
    assert r"--group p(\d) is not found in 1 name, such as x" in caplog.text


def test_a_group_that_the_cohort_names_stays() -> None:
    assert groups(group_by(cohort("p1", group="own"), r"p(\d)")) == ["own"]


@pytest.mark.parametrize(
    ("pattern", "message"), [("(", "no regular expression"), ("q", "is found in no name, such as")]
)
def test_a_pattern_that_cannot_be_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(CrlnError, match=message):
        group_by(cohort("p1", "p2"), pattern)


def test_every_draw_keeps_the_scans_of_a_patient_together(tmp_path: Path) -> None:
    for patient in range(6):
        for phase in ("ED", "ES"):
            for folder in ("images", "labels"):
                path = tmp_path / folder / f"patient{patient:03d}_{phase}.nii.gz"
                path.parent.mkdir(exist_ok=True)
                path.touch()
    whole = load_cohort(tmp_path, group=r"patient(\d+)")
    for seed in range(5):
        split = split_cohort(whole, validation=2, test=4, seed=seed)
        parts = [
            {case.id[:10] for case in part}
            for part in (split.training, split.validation, split.test)
        ]
        assert sum(map(len, parts)) == 6
        assert len(set.union(*parts)) == 6


@pytest.mark.parametrize(
    ("ids", "pattern"),
    [
        (["patient001_ED", "patient001_ES", "patient002_ED", "patient002_ES"], r"patient(\d+)"),
        (["patient001_frame01", "patient001_frame12", "patient002_frame01", "patient002_frame14"],
         r"patient(\d+)"),
        (["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1", "sub-02_ses-2"], r"sub-(\d+)"),
        (["7a", "7b", "8a", "8b"], r"^(\D*\d+)"),
        (["anna_q0", "anna_q1", "bert_q0", "bert_q1"], r"^(.+)[-_]"),
        (["A01_left", "A01_right", "B02_left", "B02_right"], r"^(\D*\d+)"),
    ],
)  # fmt: skip
def test_names_that_repeat_patients_are_noticed(ids: list[str], pattern: str) -> None:
    line = repeated_patients(cohort(*ids))
    assert line is not None
    assert f"give --group '{pattern}'" in line
    assert ids[0] in line
    assert ids[1] in line
    grouped = groups(group_by(cohort(*ids), pattern))
    assert grouped[0] == grouped[1] != grouped[2] == grouped[3]
    assert repeated_patients(group_by(cohort(*ids), pattern)) is None


@pytest.mark.parametrize(
    "ids",
    [
        [f"case_{k:02d}" for k in range(20)],
        [f"hippocampus_{k:03d}" for k in range(20)],
        [f"site{s}_{k:03d}" for s in range(2) for k in range(10)],
        ["TCGA-02-0006", "TCGA-02-0009", "TCGA-06-0119", "TCGA-06-0122", "TCGA-08-0350"],
        ["BraTS19_2013_0_1", "BraTS19_2013_10_1", "BraTS19_CBICA_AAB_1"],
        [f"site-{site}-{k}" for site in "abcde" for k in range(4)],
        ["labelled_000", "unlabelled_000", "test_000"],
        [f"{part}_{k:03d}" for part in ("labelled", "unlabelled", "test") for k in range(3)],
    ],
    ids=lambda ids: ids[0],
)
def test_names_that_number_cases_are_left_alone(ids: list[str]) -> None:
    assert suggested_pattern(ids) is None
