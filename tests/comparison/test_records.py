"""The same figures in every file."""

import csv
import io
import json
from dataclasses import replace

import pytest

from crln.comparison import Comparison
from crln.comparison.comparison import Leaks
from crln.comparison.records import cases_csv, to_csv, to_json, to_latex, to_markdown
from crln.comparison.tables import main_table


def test_csv(comparison: Comparison, with_papers: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    classes = {**comparison.rows[0].last[0].class_names, "": "foreground"}
    assert [(r["method"], r["value"], r["class"]) for r in rows] == [
        (m, str(v), c) for m in ("supervised", "crln", "tool") for v, c in classes.items()
    ]
    last = rows[2 * len(classes) - 1]
    figure = comparison.rows[1].figure("dice")
    assert float(last["dice_mean"]) == pytest.approx(figure.mean, rel=1e-5)
    assert float(last["dice_std"]) == pytest.approx(figure.std, rel=1e-5)
    assert last["seeds"] == "0 1"
    assert float(last["dice_difference_mean"]) == pytest.approx(
        comparison.rows[1].differences["dice"].mean, rel=1e-5
    )
    assert last["dice_difference_p_holm"] == ""  # of two cases
    assert float(last["seconds_per_step"]) > 0
    assert rows[0]["dice_difference_mean"] == ""
    assert rows[-1]["seconds_per_step"] == ""
    papers = list(csv.DictReader(io.StringIO(to_csv(with_papers))))
    assert papers[2 * len(classes) - 1]["published_dice_percent"] == "91.74"


def test_a_line_per_row_seed_case_and_class(comparison: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(cases_csv(comparison))))
    classes, cases = len(comparison.rows[0].last[0].class_names), len(comparison.test)
    assert len(rows) == (2 + 2 + 1) * 2 * cases * classes
    keys = ("method", "labelled", "seed", "largest_component", "case", "value")
    assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    chosen = next(row for row in rows if row["method"] == "crln" and row["seed"] == "1")
    found = comparison.rows[1].measured[1].last.rows[0]
    assert (chosen["case"], chosen["value"]) == (found.case, str(found.value))
    assert float(chosen["dice"]) == pytest.approx(found.metrics["dice"], rel=1e-5)


def test_json_holds_everything(comparison: Comparison, with_papers: Comparison) -> None:
    record = json.loads(to_json(comparison))
    assert record["leak_check"]["verdict"].startswith("no test label opened")
    assert record["test"] == [case.id for case in comparison.test]
    assert record["settings"]["seeds"] == [0, 1]
    (machine,) = record["computed_on"]
    assert machine["device"]
    row = record["rows"][1]
    assert row["cells"] == ["crln-2-seed0", "crln-2-seed1"]
    figure = comparison.rows[1].figure("dice")
    assert row["mean_over_classes"]["dice"]["mean"] == pytest.approx(figure.mean)
    assert set(row["cases"][0]["dice"]) == set(record["test"])
    assert record["published"] is None
    assert json.loads(to_json(with_papers))["published"]["rows"]


def test_markdown(comparison: Comparison, with_papers: Comparison) -> None:
    text = to_markdown(replace(comparison, faults={"bcp-2-seed0": "it stopped"}))
    assert text.count("\n| ") == 4 + 4
    assert "| Seconds a step |" in text
    assert "Leak check: no test label opened" in text
    assert "Not done: bcp-2-seed0: it stopped" in text
    assert "Published" not in text
    assert "## Published, not measured here" in to_markdown(with_papers)


def test_a_leak_is_in_every_form(comparison: Comparison) -> None:
    leaks = Leaks({"crln-2-seed0": ["case"]}, (), 4)
    leaking = replace(comparison, leaks=leaks)
    for text in (
        to_markdown(leaking),
        to_json(leaking),
        to_latex(leaking),
        main_table(leaking).caption,
    ):
        assert "test labels were opened" in text
        assert "no test label opened" not in text
