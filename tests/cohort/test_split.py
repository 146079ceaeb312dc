import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.cohort import (
    Case,
    Cohort,
    Label,
    apply_split,
    save_split,
    split_cohort,
    unlabelled_pool,
)
from crln.errors import CrlnError


def _case(name: str, label: bool = True) -> Case:
    return Case(
        name, (Path(f"{name}.nii.gz"),), Label(Path(f"{name}_label.nii.gz")) if label else None
    )


def _cohort(count: int = 20, unlabelled: int = 3, ordered: bool = False) -> Cohort:
    names = [f"c{(7 * i) % count:02d}" for i in range(count)]  # not sorted
    return Cohort(
        Path("data"),
        "folders",
        labelled=tuple(_case(name) for name in names),
        unlabelled=tuple(_case(f"u{i}", label=False) for i in range(unlabelled)),
        ordered=ordered,
    )


def ids(cases: tuple[Case, ...]) -> list[str]:
    return [case.id for case in cases]


def test_test_cases_are_the_last_by_id() -> None:
    assert ids(split_cohort(_cohort(), test=3).test) == ["c17", "c18", "c19"]


def test_a_list_decides_who_is_labelled_and_held_out() -> None:
    cohort = _cohort(ordered=True)
    given_order = ids(cohort.labelled)
    split = split_cohort(cohort, labelled=4, validation=2, test=3)
    assert ids(split.labelled) == given_order[:4]
    assert ids(split.test) == given_order[-3:]
    assert ids(split.validation) == given_order[-5:-3]
    assert ids(split.unlabelled) == ["u0", "u1", "u2", *given_order[4:-5]]


@settings(deadline=None)
@given(
    labelled=st.one_of(st.none(), st.integers(1, 8)),
    validation=st.integers(0, 4),
    test=st.integers(0, 5),
    seed=st.integers(0, 1000),
    ordered=st.booleans(),
)
def test_parts_never_overlap_and_nothing_is_lost(
    labelled: int | None, validation: int, test: int, seed: int, ordered: bool
) -> None:
    cohort = _cohort(ordered=ordered)
    split = split_cohort(cohort, labelled=labelled, validation=validation, test=test, seed=seed)
    assert sorted(ids(tuple(split))) == sorted(ids(tuple(cohort)))
    assert len(split.labelled) == (20 - validation - test if labelled is None else labelled)
    assert len(split.validation) == validation
    assert len(split.test) == test
    assert all(case.label is None for case in split.unlabelled)
    assert all(case.label for case in split.labelled + split.validation + split.test)


def test_the_draw_follows_the_seed_alone() -> None:
    shuffled = replace(_cohort(), labelled=_cohort().labelled[::-1])
    draws = [ids(split_cohort(_cohort(), labelled=5, seed=seed).labelled) for seed in range(20)]
    assert draws[3] == ids(split_cohort(shuffled, labelled=5, seed=3).labelled)
    assert len({tuple(draw) for draw in draws}) > 15
    assert {name for draw in draws for name in draw} == {f"c{i:02d}" for i in range(20)}


def test_more_labels_contain_fewer() -> None:
    few = split_cohort(_cohort(), labelled=4, test=5, seed=1)
    many = split_cohort(_cohort(), labelled=8, validation=3, test=5, seed=1)
    assert set(few.labelled) < set(many.labelled)


@settings(deadline=None)
@given(
    groups=st.lists(st.none() | st.integers(0, 6), min_size=13, max_size=13),
    validation=st.integers(0, 3),
    test=st.integers(0, 4),
    seed=st.integers(0, 99),
    ordered=st.booleans(),
)
def test_no_group_lies_on_both_sides(
    groups: list[int | None], validation: int, test: int, seed: int, ordered: bool
) -> None:
    cohort = _cohort(10, ordered=ordered)
    names = [None if group is None else f"patient {group}" for group in groups]
    grouped = [replace(case, group=name) for case, name in zip(cohort, names, strict=True)]
    cohort = replace(cohort, labelled=tuple(grouped[:10]), unlabelled=tuple(grouped[10:]))
    try:
        split = split_cohort(cohort, validation=validation, test=test, seed=seed)
    except CrlnError as error:
        part, count = re.findall(r"ask for --(\w+) (\d+)$", str(error))[0]
        asked = {"validation": validation, "test": test} | {part: int(count)}
        split = split_cohort(cohort, seed=seed, **asked) if part == "validation" else None
        assert int(count) < {"validation": validation, "test": test}[part]
    else:
        assert (len(split.validation), len(split.test)) == (validation, test)
    if split is None:
        return
    assert sorted(ids(tuple(split))) == sorted(ids(tuple(cohort)))
    sides = [
        {case.group for case in part if case.group}
        for part in (split.training, split.validation, split.test)
    ]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_a_number_that_some_whole_groups_make_is_drawn() -> None:
    """The last by id goes first, but not where the number could not be reached with it."""
    names = ["a", "a", "b", "b", "c"]
    cohort = _cohort(5)
    grouped = [replace(case, group=n) for case, n in zip(cohort.labelled, names, strict=True)]
    cohort = replace(cohort, labelled=tuple(grouped))
    assert {case.group for case in split_cohort(cohort, test=2).test} == {"b"}
    assert {case.group for case in split_cohort(cohort, test=3).test} == {"b", "c"}
    assert {case.group for case in split_cohort(cohort, test=4).test} == {"a", "b"}
    cohort = replace(cohort, labelled=tuple(grouped[:4]))
    with pytest.raises(CrlnError, match="no whole groups make 3 test cases; ask for --test 2"):
        split_cohort(cohort, test=3)


def test_a_saved_split_that_parts_a_group_is_refused(tmp_path: Path) -> None:
    cohort = _cohort(4)
    save_split(split_cohort(cohort, test=1), tmp_path / "split.yaml")
    cohort = replace(cohort, labelled=tuple(replace(c, group="p") for c in cohort.labelled))
    with pytest.raises(CrlnError, match=r"group p: case .* is for training, .* for test; keep"):
        apply_split(cohort, tmp_path / "split.yaml")


def test_parts_of_lists_stay() -> None:
    cohort = replace(_cohort(), test=(_case("t"),), validation=(_case("v"),))
    split = split_cohort(cohort, labelled=2)
    assert ids(split.test) == ["t"]
    assert ids(split.validation) == ["v"]
    with pytest.raises(CrlnError, match="data: has its own test cases; leave out --test"):
        split_cohort(cohort, test=1)
    with pytest.raises(CrlnError, match="data: has its own validation cases; leave out --val"):
        split_cohort(cohort, validation=1)


def test_too_few_labels() -> None:
    message = "asked for 18 labelled, 1 validation and 2 test cases, found 20 with a label; ask"
    with pytest.raises(CrlnError, match=f"data: {message}"):
        split_cohort(_cohort(), labelled=18, validation=1, test=2)
    with pytest.raises(CrlnError, match="asked for at least 1 labelled"):
        split_cohort(_cohort(), test=20)


def test_no_label_at_all() -> None:
    with pytest.raises(CrlnError, match="data: no labelled case; add a label file"):
        split_cohort(_cohort(count=0), labelled=1)


def test_held_out_scans_are_used_only_if_asked_for() -> None:
    split = split_cohort(_cohort(), labelled=4, validation=2, test=3)
    assert unlabelled_pool(split) == split.unlabelled
    pool = unlabelled_pool(split, transductive=True)
    assert set(ids(pool)) == set(ids(split.unlabelled + split.validation + split.test))
    assert all(case.label is None for case in pool)


def test_a_saved_split_comes_back(tmp_path: Path) -> None:
    cohort = _cohort()
    split = split_cohort(cohort, labelled=4, validation=2, test=3, seed=5)
    save_split(split, tmp_path / "split.yaml")
    assert apply_split(cohort, tmp_path / "split.yaml") == split
    save_split(cohort, tmp_path / "split.yaml")
    assert apply_split(cohort, tmp_path / "split.yaml") == cohort


def test_ids_that_look_like_numbers_survive(tmp_path: Path) -> None:
    cohort = Cohort(Path("data"), "folders", labelled=(_case("001"), _case("1e3"), _case("no")))
    save_split(cohort, tmp_path / "split.yaml")
    assert apply_split(cohort, tmp_path / "split.yaml") == cohort


def test_scans_added_later_stay_out(tmp_path: Path) -> None:
    save_split(_cohort(count=5), tmp_path / "split.yaml")
    assert len(apply_split(_cohort(count=6), tmp_path / "split.yaml").labelled) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labelled: [c00, c00]", "names case c00 twice; remove one"),
        ("labelled: [z]", "names case z, which data has not; restore the scan"),
        ("labelled: [u0]", "case u0 is for labelled, but data has no label of it"),
        ("labelled: 3", "labelled: Input should be a valid list; give a split that a run saved"),
        ("[", "line 1: .*; give a split that a run saved"),
    ],
)
def test_a_split_at_odds_with_the_data(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "split.yaml"
    path.write_text(f"{text}\nunlabelled: []\nvalidation: []\ntest: []")
    with pytest.raises(CrlnError, match=message):
        apply_split(_cohort(), path)


def test_a_draft_teaches_with_its_scan_and_never_where_something_is_measured() -> None:
    draft = Label(Path("d.nii"), kind="draft")
    cases = tuple(Case(id, (Path(f"{id}.nii"),), Label(Path("l")), draft=draft) for id in "abc")
    cohort = split_cohort(Cohort(Path("x"), "folders", cases), labelled=1, test=1)
    pool = unlabelled_pool(cohort, transductive=True)
    assert [(case.label, case.draft) for case in pool] == [(None, draft), (None, None)]


@pytest.mark.parametrize(
    "asked", [{"labelled": -1}, {"labelled": 0}, {"validation": -2}, {"test": -1}]
)
def test_a_number_below_what_there_can_be_is_refused(asked: dict[str, int]) -> None:
    with pytest.raises(CrlnError, match="none below 0"):
        split_cohort(_cohort(4), **asked)
