"""Evaluations side by side."""

import math

import pytest

from crln.evaluation import ClassMetrics, Evaluation, Row, paired_differences
from crln.report import comparison_table

NAN = math.nan


def evaluation(dice: list[float], hd95: list[float]) -> Evaluation:
    rows = tuple(
        Row(f"case{i}", 1, "organ", ClassMetrics(d, d / 2, h, h, h, 10, 10))
        for i, (d, h) in enumerate(zip(dice, hd95, strict=True))
    )
    return Evaluation("mm", False, rows)


@pytest.fixture
def methods() -> dict[str, Evaluation]:
    return {
        "crln": evaluation([0.9, 0.91, 0.93], [2, 3, 2.5]),
        "supervised": evaluation([0.8, 0.86, 0.85], [4, NAN, 5]),
    }


def test_means_intervals_and_undefined(methods):
    table = comparison_table(methods, caption="Test cases.")
    assert table.header == ["Method", "Dice %", "Jaccard %", "95HD mm", "ASD mm"]
    assert table.rows[0][1].startswith("91.3 ± 1.5|90.0 to 93.0")
    assert table.rows[1][3].endswith("1 undefined")
    assert "counted, not scored" in table.caption
    assert table.caption.startswith("Test cases. Mean")
    assert table.best == {(0, 1), (0, 2), (0, 3), (0, 4)}


def test_paired_differences_to_a_reference(methods):
    table = comparison_table(methods, reference="supervised", name="organ")
    assert table.header[-1] == "Dice, points above supervised"
    expected = paired_differences({"crln": [0.9, 0.91, 0.93]}, [0.8, 0.86, 0.85])["crln"]
    value, detail = table.rows[0][-1].split("|")
    assert value == f"{100 * expected.mean:+.1f}" == "+7.7"
    assert detail.endswith(f"p = {expected.p_holm:.2g}")
    assert table.rows[1][-1] == ""


def test_the_cases_are_paired_by_id_not_by_place(methods):
    backwards = Evaluation("mm", False, methods["crln"].rows[::-1])
    turned = comparison_table({**methods, "crln": backwards}, reference="supervised")
    assert turned.rows[0][-1] == comparison_table(methods, reference="supervised").rows[0][-1]


def test_a_single_case_has_no_interval_and_nothing_defined_has_no_mean():
    one = {"a": evaluation([0.5], [NAN]), "b": evaluation([0.6], [NAN])}
    table = comparison_table(one, reference="a")
    assert table.rows[0][1] == "50.0"
    assert table.rows[0][3] == "n/a|1 undefined"
    assert table.rows[1][-1] == "+10.0"
    assert table.best == {(1, 1), (1, 2)}
