"""Folds of the labelled cases."""

from pathlib import Path

import pytest

from crln.cohort import Case, Cohort, Label
from crln.cohort.folds import draw_folds, leave_out
from crln.errors import CrlnError


def cohort(*groups: str | None, unlabelled: tuple[str | None, ...] = ()) -> Cohort:
    """A labelled case per group, then unlabelled ones."""

    def case(name: str, group: str | None, label: bool) -> Case:
        return Case(name, (Path(name),), Label(Path(name)) if label else None, group)

    return Cohort(
        Path("data"),
        "folders",
        labelled=tuple(case(f"a{i}", group, True) for i, group in enumerate(groups)),
        unlabelled=tuple(case(f"u{i}", group, False) for i, group in enumerate(unlabelled)),
    )


def test_each_labelled_case_is_in_one_fold_and_folds_differ_by_one_at_most() -> None:
    folds = draw_folds(cohort(*[None] * 11), 4)
    assert sorted(id for fold in folds for id in fold) == sorted(f"a{i}" for i in range(11))
    assert sorted(map(len, folds)) == [2, 3, 3, 3]


def test_the_draw_is_the_seeds() -> None:
    whole = cohort(*[None] * 12)
    assert draw_folds(whole, 3, 1) == draw_folds(whole, 3, 1) != draw_folds(whole, 3, 2)


def test_a_group_is_never_divided() -> None:
    whole = cohort("p", "p", "q", None, "q", None, "p")
    for seed in range(5):
        for fold in draw_folds(whole, 3, seed):
            assert {"a0", "a1", "a6"} <= set(fold) or not {"a0", "a1", "a6"} & set(fold)
            assert {"a2", "a4"} <= set(fold) or not {"a2", "a4"} & set(fold)


def test_one_fold_leaves_nothing_out() -> None:
    assert draw_folds(cohort(None, None), 1) == ((),)


def test_more_folds_than_cases_or_groups_are_refused() -> None:
    with pytest.raises(CrlnError, match="3 folds of 2 labelled cases; ask for fewer"):
        draw_folds(cohort(None, None), 3)
    with pytest.raises(CrlnError, match="3 folds of 2 labelled groups"):
        draw_folds(cohort("p", "p", "q"), 3)


def test_what_is_left_out_is_not_learnt_from_in_any_way() -> None:
    whole = cohort("p", "q", None, unlabelled=("p", None))
    left = leave_out(whole, ["a0"])
    assert [case.id for case in left.labelled] == ["a1", "a2"]
    assert [case.id for case in left.unlabelled] == ["u1"]  # u0 is of the same patient
    assert [case.id for case in left.test] == ["a0", "u0"]
    assert leave_out(whole, []) == whole


def test_what_was_left_out_together_is_again_and_new_cases_fill_up_the_smallest_parts() -> None:
    before = draw_folds(cohort(*[None] * 4), 2)
    folds = draw_folds(cohort(*[None] * 9), 3, kept=before)
    assert all(set(old) <= set(new) for old, new in zip(before, folds, strict=False))
    assert sorted(map(len, folds)) == [3, 3, 3]
    assert draw_folds(cohort(*[None] * 9), 3, kept=[("gone",)]) == draw_folds(
        cohort(*[None] * 9), 3
    )
    together = draw_folds(cohort("p", "q", "p"), 2, kept=[("a2",), ()])
    assert set(together[0]) == {"a0", "a2"}
