"""Test cases by number, share, name or file."""

from pathlib import Path
from typing import Any

import pytest

from crln.cohort import Case, Cohort, Label, parse_held, split_cohort
from crln.errors import CrlnError


def cohort(count: int = 10, groups: dict[int, str] | None = None) -> Cohort:
    cases = tuple(
        Case(f"c{i}", (Path(f"c{i}.nii"),), Label(Path(f"l{i}.nii")), (groups or {}).get(i))
        for i in range(count)
    )
    return Cohort(Path("data"), "folders", channels=("image",), labelled=cases)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "fold 0.txt"
    path.write_text("c3\n\nc1.nii.gz\n")
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20", 20), ("0", 0), (" 20% ", "20%"), ("12.5%", "12.5%"),
        ("c1,c3", ("c1", "c3")), ("c1", ("c1",)), (["c1"], ("c1",)), (3, 3),
    ],
)  # fmt: skip
def test_what_test_means(text: Any, expected: Any) -> None:
    assert parse_held(text) == expected


def test_a_file_names_a_case_a_line(listed: Path) -> None:
    assert parse_held(str(listed)) == ("c3", "c1")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-1", "a number of cases is 0 or more"), ("0%", "a share lies between"),
        ("100%", "a share lies between"), ("x%", "a share lies between"), (",", "names no case"),
        ("a,a", "names a twice"), ("folds/0.txt", "no such file"),
    ],
)  # fmt: skip
def test_what_it_cannot_mean(text: str, line: str) -> None:
    with pytest.raises(CrlnError, match=line):
        parse_held(text)


@pytest.mark.parametrize(
    ("test", "expected"),
    [(2, {"c8", "c9"}), ("30%", {"c7", "c8", "c9"}), (("c0", "c5"), {"c0", "c5"})],
)
def test_the_split_keeps_them(test: Any, expected: set[str]) -> None:
    parts = split_cohort(cohort(), labelled=4, validation=1, test=test, seed=3)
    assert {case.id for case in parts.test} == expected
    assert len(parts.labelled) == 4
    others = (*parts.labelled, *parts.validation, *parts.unlabelled)
    ids = [case.id for case in others]
    assert sorted([*ids, *expected]) == [f"c{i}" for i in range(10)]


def test_folds_cover_the_cohort() -> None:
    tested = [
        case.id
        for fold in ("c0,c1,c2", "c3,c4,c5", "c6,c7,c8,c9")
        for case in split_cohort(cohort(), test=fold).test
    ]
    assert sorted(tested) == [f"c{i}" for i in range(10)]


def test_a_name_that_has_no_label_is_told() -> None:
    with pytest.raises(CrlnError, match="--test names c99, which is no case with a label"):
        split_cohort(cohort(), test=["c1", "c99"])
    with pytest.raises(CrlnError, match="10% of 3 cases with a label is none"):
        split_cohort(cohort(3), test="10%")
    with pytest.raises(CrlnError, match="asked for 9 labelled, 0 validation and 2 test"):
        split_cohort(cohort(), labelled=9, test="c1,c2")


def test_a_group_is_not_torn_apart_by_names() -> None:
    together = cohort(groups={1: "patient 1", 2: "patient 1"})
    with pytest.raises(CrlnError, match="group patient 1"):
        split_cohort(together, test=["c1"])
    assert len(split_cohort(together, test=["c1", "c2"]).test) == 2
