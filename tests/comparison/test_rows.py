"""Means, intervals and differences against plain references."""

import math

import numpy as np
import pytest

from crln.comparison.rows import (
    Measured,
    Row,
    best_rows,
    compare_rows,
    most_dice,
    summarise,
)
from crln.evaluation import (
    ClassMetrics,
    Evaluation,
    Measurement,
    bootstrap_interval,
    paired_differences,
)
from crln.evaluation.metrics import BY_KEY

NAN = math.nan


def evaluation(dice: list[float], hd95: list[float] | None = None) -> Evaluation:
    rows = tuple(
        Measurement(f"case{i}", 1, "organ", ClassMetrics({"dice": d, "hd95": h}, 10, 10))
        for i, (d, h) in enumerate(zip(dice, hd95 or [1.0] * len(dice), strict=True))
    )
    return Evaluation("mm", False, rows)


def row(method: str, labelled: int, *seeds: Evaluation) -> Row:
    return Row(method, labelled, (), tuple(Measured({}, e, e) for e in seeds))


def test_std_is_over_seeds_and_the_interval_over_cases() -> None:
    first, second = [0.9, 0.8, 0.7, 0.6, 0.5, 0.8], [0.7, 0.9, 0.5, 0.7, 0.4, 0.7]
    figure = summarise([evaluation(first), evaluation(second)], "dice")
    assert figure.mean == pytest.approx(np.mean([first, second]))
    assert figure.std == pytest.approx(np.std([np.mean(first), np.mean(second)], ddof=1))
    by_case = np.mean([first, second], axis=0)
    assert (figure.low, figure.high) == pytest.approx(bootstrap_interval(by_case))
    assert figure.undefined == 0


def test_one_seed_has_no_std() -> None:
    assert math.isnan(summarise([evaluation([0.5, 0.6])], "dice").std)


def test_undefined_distances_are_counted_and_left_out() -> None:
    figure = summarise(
        [evaluation([0.1, 0.2], [NAN, 4.0]), evaluation([0.1, 0.2], [NAN, 2.0])], "hd95", 1
    )
    assert (figure.mean, figure.undefined) == (3.0, 2)
    nothing = summarise([evaluation([0.0], [NAN])], "hd95")
    assert math.isnan(nothing.mean)
    assert nothing.undefined == 1


def test_differences_are_paired_by_case_at_the_same_labels() -> None:
    ours, theirs = [0.9, 0.8, 0.85, 0.7, 0.9, 0.8], [0.7, 0.75, 0.6, 0.65, 0.8, 0.6]
    other = [0.7, 0.8, 0.6, 0.65, 0.85, 0.6]
    rows = [
        row("supervised", 8, evaluation(theirs)),
        row("crln", 8, evaluation(ours), evaluation(ours)),
        row("bcp", 8, evaluation(other)),
        row("crln", 16, evaluation(ours)),
    ]
    compared = compare_rows(rows, "supervised")
    assert [r.method for r in compared] == ["supervised", "crln", "bcp", "crln"]
    assert compared[0].differences is None
    assert compared[3].differences is None  # there is no reference with 16 labels
    expected = paired_differences({"crln": ours, "bcp": other}, theirs)
    assert compared[1].differences["dice"] == expected["crln"]
    assert compared[2].differences["dice"] == expected["bcp"]
    assert compared[1].differences["dice"].p_holm >= compared[1].differences["dice"].p


def test_the_upper_bound_may_be_everyones_reference() -> None:
    rows = [row("crln", 8, evaluation([0.8])), row("supervised_all", 60, evaluation([0.9]))]
    compared = compare_rows(rows, "supervised_all")
    assert compared[0].differences["dice"].mean == pytest.approx(-0.1)
    assert compared[1].differences is None


def test_the_lead_is_among_the_same_labels() -> None:
    dice, hd95 = [0.7, 0.8, NAN, 0.9], [0.7, 0.7, 0.9, 0.1]
    places = (("a", 8), ("b", 8), ("c", 8), ("a", 16))
    rows = [
        row(method, count, evaluation([d], [h]))
        for (method, count), d, h in zip(places, dice, hd95, strict=True)
    ]
    assert best_rows(rows, BY_KEY["dice"]) == {1}
    assert best_rows(rows, BY_KEY["hd95"]) == {0, 1}


def test_a_lead_is_told_from_chance() -> None:
    """By the interval of the difference, paired by case."""
    base = [0.5, 0.6, 0.7, 0.8, 0.9, 0.85]
    rows = [
        row("behind", 8, evaluation([d - 0.1 + 0.01 * i for i, d in enumerate(base)])),
        row("leader", 8, evaluation(base)),
        row("level", 8, evaluation([0.55, 0.5, 0.78, 0.7, 0.95, 0.85])),
        row("nothing", 8, evaluation([NAN] * 6)),
    ]
    found = most_dice(compare_rows(rows, "behind"))
    assert found is not None
    leader, level = found
    assert leader.method == "leader"
    assert [r.method for r in level] == ["level"]


def test_one_case_tells_nothing_and_one_row_leads_nobody() -> None:
    one = row("a", 8, evaluation([0.9]))
    found = most_dice([one, row("b", 8, evaluation([0.1]))])
    assert found is not None
    assert [r.method for r in found[1]] == ["b"]
    assert most_dice([one]) is None
