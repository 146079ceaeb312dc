"""Summary and files, of this and of earlier versions."""

import csv
import io
import json
import math

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.evaluation import (
    ClassMetrics,
    Evaluation,
    LeftOut,
    Measurement,
    bootstrap_interval,
    read_evaluation,
)

NAN = math.nan
KEYS = ("dice", "jaccard", "hd95", "asd", "assd", "nsd", "volume_ml", "volume_relative")


def metrics(*figures: float, predicted: int, true: int) -> ClassMetrics:
    return ClassMetrics(dict(zip(KEYS, map(float, figures), strict=True)), predicted, true)


@pytest.fixture
def evaluation() -> Evaluation:
    """Three cases, two classes; the second class is missed in one and absent from another."""
    whole = [
        ("a", 1, metrics(0.9, 0.82, 2.0, 0.5, 0.6, 0.9, -1, -0.1, predicted=100, true=110)),
        ("a", 2, metrics(0.7, 0.54, 4.0, 1.0, 1.2, 0.8, -1, -0.25, predicted=30, true=40)),
        ("b", 1, metrics(0.8, 0.67, 3.0, 0.7, 0.9, 0.9, -2, -0.2, predicted=90, true=110)),
        ("b", 2, metrics(0.0, 0.0, NAN, NAN, NAN, 0, -5, -1, predicted=0, true=50)),
        ("c", 1, metrics(1.0, 1.0, 0.0, 0.0, 0.0, 1, 0, 0, predicted=80, true=80)),
        ("c", 2, ClassMetrics()),
    ]
    rows = tuple(Measurement(case, value, f"organ {value}", found) for case, value, found in whole)
    return Evaluation(
        unit="mm", largest_component=False, rows=rows, tolerances={1: 1.0, 2: 0.5},
        left_out=LeftOut(("x",), ("y", "z"), {7: ("a",)}), read={"a": ("12", "34")},
    )  # fmt: skip


def test_a_case_counts_with_the_mean_over_its_defined_classes(evaluation):
    assert evaluation.values("dice") == pytest.approx({"a": 0.8, "b": 0.4, "c": 1.0})
    assert evaluation.values("hd95") == pytest.approx({"a": 3.0, "b": 3.0, "c": 0.0})


def test_summary(evaluation):
    dice = evaluation.summarised("dice")
    assert dice.mean == pytest.approx(np.mean([0.8, 0.4, 1.0]))
    assert dice.std == pytest.approx(np.std([0.8, 0.4, 1.0], ddof=1))
    assert math.isnan(dice.low)  # of three cases
    assert (dice.cases, dice.undefined) == (3, 1)
    missed = evaluation.summarised("hd95", 2)
    assert (missed.mean, missed.cases, missed.undefined) == (4.0, 1, 2)
    assert math.isnan(missed.std)
    assert evaluation.summarised("hd95").undefined == 2
    assert len(evaluation.summary) == 3 * len(evaluation.metrics)
    with pytest.raises(KeyError):
        evaluation.summarised("dicee")


def test_six_cases_have_an_interval():
    dice = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    rows = [
        Measurement(str(i), 1, "a", ClassMetrics({"dice": figure})) for i, figure in enumerate(dice)
    ]
    found = Evaluation("mm", False, tuple(rows)).summarised("dice", 1)
    assert (found.low, found.high) == bootstrap_interval(dice)
    assert found.low < np.mean(dice) < found.high


def test_three_files_are_written_and_the_record_is_read_back(evaluation, tmp_path):
    summary, cases, record = evaluation.save(tmp_path / "fold.0.json")
    names = ["fold.0-cases.csv", "fold.0.csv", "fold.0.json"]
    assert [cases.name, summary.name, record.name] == names
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    rows = list(csv.DictReader(io.StringIO(cases.read_text())))
    assert len(rows) == 6
    undefined = next(r for r in rows if (r["case"], r["value"]) == ("b", "2"))
    assert (undefined["dice"], undefined["hd95"], undefined["true"]) == ("0", "", "50")
    rows = list(csv.DictReader(io.StringIO(summary.read_text())))
    mean = next(r for r in rows if (r["row"], r["value"]) == ("mean", ""))
    assert mean["class"] == "foreground"
    assert float(mean["dice"]) == pytest.approx(0.7333333, abs=1e-5)
    parsed = json.loads(record.read_text(), parse_constant=pytest.fail)
    assert parsed["rows"][3]["hd95"] is None
    read = read_evaluation(record)
    assert repr(read) == repr(evaluation)


def test_a_record_of_an_earlier_version_is_read_and_newer_metrics_were_not_measured(tmp_path):
    row = {"dice": 0.5, "jaccard": 0.4, "hd95": None, "asd": 1.0, "assd": 1.5}
    record = {
        "unit": "voxel", "largest_component": True, "undefined": "...",
        "rows": [{"case": "a", "value": 1, "class": "organ", **row, "predicted": 3, "true": 4}],
        "summary": [],
    }  # fmt: skip
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    found = read_evaluation(tmp_path / "metrics.json")
    assert [metric.key for metric in found.metrics] == list(row)
    assert found.values("dice") == {"a": 0.5}
    assert found.summarised("hd95").undefined == 1
    newer = found.summarised("nsd")
    assert math.isnan(newer.mean)
    assert (newer.cases, newer.undefined) == (0, 0)


def test_a_metric_that_is_no_longer_known_is_passed_over(evaluation, tmp_path):
    record = json.loads(evaluation.to_json())
    for row in record["rows"]:
        row["of_another_version"] = 1.0
    (tmp_path / "x.json").write_text(json.dumps(record))
    assert repr(read_evaluation(tmp_path / "x.json")) == repr(evaluation)


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
    with pytest.raises(CrlnError, match="; evaluate again"):
        read_evaluation(tmp_path / "x.json")
