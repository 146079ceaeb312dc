"""How good the whole is, and which labels to look at."""

import math

import numpy as np
import pytest
from scipy import stats

from crln.evaluation import Evaluation
from crln.evaluation.metrics import ClassMetrics
from crln.evaluation.results import Measurement
from crln.quality.estimate import contradicted, estimates

DICE = [0.82, 0.9, 0.86, 0.88, 0.79, 0.91, 0.87]


def evaluation(dice: list[float], names: tuple[str, ...] = ("liver",)) -> Evaluation:
    return Evaluation("mm", False, tuple(
        Measurement(f"case-{i}", k, name, ClassMetrics({"dice": d, "asd": 2 - d}))
        for i, d in enumerate(dice) for k, name in enumerate(names, 1)
    ))  # fmt: skip


def test_the_interval_of_the_mean_is_student_s() -> None:
    dice, distance = estimates(evaluation(DICE))
    low, high = stats.t.interval(0.95, 6, np.mean(DICE), stats.sem(DICE))
    assert (dice.metric, distance.metric, dice.cases) == ("dice", "asd", 7)
    assert dice.mean == pytest.approx(np.mean(DICE))
    assert (dice.low, dice.high) == (pytest.approx(low), pytest.approx(high))
    assert str(dice) == "Dice 0.86 (0.82 to 0.90)"
    assert str(distance) == "surface distance 1.14 mm (1.10 to 1.18)"


def test_several_structures_have_a_mean_too_and_few_cases_no_interval() -> None:
    found = estimates(evaluation(DICE[:5], ("liver", "tumour")))
    assert [each.structure for each in found][::2] == ["liver", "tumour", "mean over structures"]
    assert found[0].low is None
    assert str(found[0]) == "Dice 0.85"


def test_an_interval_does_not_leave_what_is_possible() -> None:
    dice, _ = estimates(evaluation([1, 1, 1, 1, 1, 0.5]))
    assert dice.high == 1


def test_a_label_far_below_all_others_is_contradicted() -> None:
    dice = {f"case-{i}": value for i, value in enumerate(DICE)}
    assert contradicted(dice) == {}
    assert contradicted({**dice, "shifted": 0.45, "none": math.nan}) == {"shifted": 0.45}
    assert contradicted({"a": 0.9, "b": 0.9, "c": 0.9, "shifted": 0.1}) == {}


def test_where_all_labels_agree_a_small_difference_is_none() -> None:
    assert contradicted({f"case-{i}": 0.95 for i in range(6)} | {"one": 0.86}) == {}
