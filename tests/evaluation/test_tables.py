"""Tables as Markdown and LaTeX, and of an evaluation."""

import math

import pytest

from crln.evaluation import ClassMetrics, Evaluation, Measurement, ResultTable, TableCell
from crln.evaluation.metrics import BY_KEY
from crln.evaluation.tables import Column, case_table, evaluation_table, figure_cell


def figures(dice: float) -> ClassMetrics:
    return ClassMetrics({"dice": dice, "hd95": math.nan})


def evaluation(*dice: float, classes: int = 1) -> Evaluation:
    rows = [
        Measurement(
            f"case{i}", value, f"organ {value}", ClassMetrics({"dice": d, "hd95": math.nan})
        )
        for i, d in enumerate(dice)
        for value in range(1, classes + 1)
    ]
    return Evaluation("voxel", False, tuple(rows))


@pytest.fixture
def table() -> ResultTable:
    columns = {"method": Column("Method", text=True), "dice": Column("Dice %")}
    rows = [
        {"method": TableCell("bcp[a_b=1]"), "dice": TableCell("86.2 ± 0.4", ("85 to 87",), True)},
        {"method": TableCell("crln|x")},
    ]
    return ResultTable(columns, rows, "n & m.")


def test_markdown(table):
    assert table.to_markdown().splitlines() == [
        "| Method | Dice % |",
        "|---|---|",
        "| bcp[a_b=1] | **86.2 ± 0.4** (85 to 87) |",
        r"| crln\|x |  |",
        "",
        "n & m.",
    ]


def test_latex(table):
    text = table.to_latex()
    assert r"\begin{tabular}{lr}" in text
    assert r"Method & Dice \% \\" in text
    assert r"bcp[a\_b=1] & \textbf{86.2 $\pm$ 0.4} {\scriptsize 85 to 87} \\" in text
    assert r"\caption{n \& m.}" in text
    assert text.count("{") == text.count("}")


def test_a_row_per_class_then_the_mean_over_classes():
    table = evaluation_table(evaluation(0.9, 0.8, classes=2))
    assert [row["class"].value for row in table.rows] == [
        "organ 1", "organ 2", "mean over classes",
    ]  # fmt: skip
    assert table.header == ["class", "Dice %", "95HD voxel"]
    assert table.rows[0]["dice"].value == "85.00 ± 7.07"
    assert table.rows[0]["hd95"] == TableCell("n/a", ("2 undefined",))
    assert len(evaluation_table(evaluation(0.9)).rows) == 1


def test_too_few_cases_for_an_interval_are_told_in_words():
    few = evaluation_table(evaluation(*[0.5] * 5))
    assert "too few cases for an interval" in few.caption
    assert few.rows[0]["dice"].details == ()
    enough = evaluation_table(evaluation(0.5, 0.6, 0.7, 0.8, 0.9, 0.95))
    assert "too few" not in enough.caption
    assert " to " in enough.rows[0]["dice"].detail


def test_a_row_per_case_and_class():
    table = case_table(evaluation(0.9, 0.8, classes=2))
    assert [(row["case"].value, row["class"].value) for row in table.rows] == [
        ("case0", "organ 1"), ("case0", "organ 2"), ("case1", "organ 1"), ("case1", "organ 2"),
    ]  # fmt: skip
    assert table.rows[2]["dice"].value == "80.00"


def test_what_was_not_measured_is_an_empty_cell():
    nothing = (math.nan, math.nan, (math.nan, math.nan))
    assert figure_cell(BY_KEY["nsd"], *nothing, undefined=0) == TableCell()
    assert figure_cell(BY_KEY["nsd"], *nothing, undefined=2).details == ("2 undefined",)


def test_what_a_page_has_no_room_for_stands_apart_with_the_name_of_its_row():
    columns = {"name": Column("Name", text=True, row=True)}
    weights = {**dict.fromkeys("abcdefgh", 1), "g": 9, "h": 0}
    columns |= {key: Column(key, weight=weight) for key, weight in weights.items()}
    first, rest = ResultTable(columns, [{"a": TableCell("1")}], "cap").parts
    assert list(first.columns) == ["name", *"abcdeg"]  # the heaviest six, in their order
    assert list(rest.columns) == ["name", "f", "h"]
    assert (first.caption, rest.caption) == ("cap", "")
    assert ResultTable({"name": columns["name"]}, []).parts[0].header == ["Name"]
