"""Summary, files and the screen's table."""

import csv
import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from crln.errors import CrlnError
from crln.evaluation import (
    METRICS,
    ClassMetrics,
    Evaluation,
    Row,
    bootstrap_interval,
    evaluation_table,
    format_summary,
    read_evaluation,
)

NAN = math.nan


@pytest.fixture
def evaluation() -> Evaluation:
    """Three cases, two classes; the second class is missed in one and absent from another."""
    whole = [
        ("a", 1, ClassMetrics(0.9, 0.82, 2.0, 0.5, 0.6, 100, 110)),
        ("a", 2, ClassMetrics(0.7, 0.54, 4.0, 1.0, 1.2, 30, 40)),
        ("b", 1, ClassMetrics(0.8, 0.67, 3.0, 0.7, 0.9, 90, 110)),
        ("b", 2, ClassMetrics(0.0, 0.0, NAN, NAN, NAN, 0, 50)),
        ("c", 1, ClassMetrics(1.0, 1.0, 0.0, 0.0, 0.0, 80, 80)),
        ("c", 2, ClassMetrics()),
    ]
    rows = tuple(Row(case, value, f"organ {value}", metrics) for case, value, metrics in whole)
    return Evaluation(unit="mm", largest_component=False, rows=rows)


def test_the_foreground_is_the_mean_over_the_defined_classes_of_a_case(evaluation):
    assert evaluation.values("dice") == pytest.approx({"a": 0.8, "b": 0.4, "c": 1.0})
    assert evaluation.values("hd95") == pytest.approx({"a": 3.0, "b": 3.0, "c": 0.0})


def test_summary(evaluation):
    dice = evaluation.summarised("dice")
    assert dice.mean == pytest.approx(np.mean([0.8, 0.4, 1.0]))
    assert dice.std == pytest.approx(np.std([0.8, 0.4, 1.0], ddof=1))
    assert (dice.low, dice.high) == bootstrap_interval([0.8, 0.4, 1.0])
    assert (dice.cases, dice.undefined) == (3, 1)
    missed = evaluation.summarised("hd95", "organ 2")
    assert (missed.mean, missed.cases, missed.undefined) == (4.0, 1, 2)
    assert math.isnan(missed.std)
    assert evaluation.summarised("hd95").undefined == 2
    assert len(evaluation.summary) == 3 * len(METRICS)


def test_csv_and_json_are_written_and_read_back(evaluation, tmp_path):
    table, record = evaluation.save(tmp_path / "fold.0.json")
    assert (table.name, record.name) == ("fold.0.csv", "fold.0.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fold.0.csv", "fold.0.json"]
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    undefined = next(r for r in rows if (r["case"], r["class"]) == ("b", "organ 2"))
    assert (undefined["dice"], undefined["hd95"], undefined["true"]) == ("0", "", "50")
    mean = next(r for r in rows if (r["row"], r["class"]) == ("mean", "foreground"))
    assert float(mean["dice"]) == pytest.approx(0.7333333, abs=1e-5)
    assert sum(r["row"] == "case" for r in rows) == 9
    parsed = json.loads(record.read_text(), parse_constant=pytest.fail)
    assert parsed["rows"][3]["hd95"] is None
    read = read_evaluation(record)
    assert (read.unit, read.cases, read.class_names) == (
        "mm",
        ("a", "b", "c"),
        evaluation.class_names,
    )
    assert [str(r) for r in read.rows] == [str(r) for r in evaluation.rows]


def test_what_exists_is_kept_unless_told_otherwise(evaluation, tmp_path):
    (tmp_path / "x.json").write_text("precious")
    with pytest.raises(CrlnError, match=r"x\.json: exists"):
        evaluation.save(tmp_path / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    evaluation.save(tmp_path / "x", overwrite=True)
    assert read_evaluation(tmp_path / "x.json").cases == ("a", "b", "c")


@pytest.mark.parametrize("text", ["", "{}", '{"rows": [{}]}', "[1]"])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CrlnError, match="not an evaluation"):
        read_evaluation(tmp_path / "x.json")


def test_the_table_on_the_screen(evaluation):
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(evaluation_table(evaluation, per_case=True))
    text = console.export_text()
    assert "3 cases" in text
    assert "73.3 ± 30.6" in text
    assert "2 undefined" in text
    assert "95HD mm" in text
    assert text.count("organ 1") == 4


def test_one_class_needs_no_foreground_row(evaluation):
    only = Evaluation("voxel", True, tuple(r for r in evaluation.rows if r.value == 1)[:1])
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(evaluation_table(only))
    text = console.export_text()
    assert "1 case, largest component" in text
    assert "foreground" not in text
    assert format_summary(only.summarised("dice")) == "90.0"
