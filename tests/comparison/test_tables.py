"""The same figures in every form, published ones apart."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from crln.comparison import Comparison
from crln.comparison.comparison import Leaks
from crln.comparison.published import read_published
from crln.comparison.tables import (
    cost_table,
    main_table,
    published_table,
    to_csv,
    to_json,
    to_markdown,
)
from crln.comparison.variant import parse_variant


@pytest.fixture
def comparison(finished_comparison: tuple[Comparison, list[str]]) -> Comparison:
    return finished_comparison[0]


@pytest.fixture
def with_papers(comparison: Comparison) -> Comparison:
    """As `--preset la` would show it."""
    publication = read_published("la")
    rows = tuple(
        replace(row, published=publication.of(parse_variant(row.method), 8))
        if row.cells else row
        for row in comparison.rows
    )  # fmt: skip
    return replace(comparison, published=publication, rows=rows)


def test_the_table_shows_all_that_a_reader_needs(comparison: Comparison) -> None:
    table = main_table(comparison)
    assert table.header == [
        "Method", "Labels", "Dice %", "Dice, points above supervised", "Jaccard %", "95HD mm",
        "ASD mm", "Dice %, largest component",
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == ["supervised", "crln", "tool"]
    assert all(len(row) == len(table.header) for row in table.rows)
    dice = comparison.rows[1].figure("dice")
    assert table.rows[1][2].startswith(f"{100 * dice.mean:.2f} ± {100 * dice.std:.2f}|")
    assert table.rows[0][3] == ""
    assert "p = " in table.rows[1][3]
    for metric, column in (("dice", 2), ("jaccard", 4), ("hd95", 5), ("asd", 6)):
        means = [row.figure(metric).mean for row in comparison.rows]
        best = (max if metric in ("dice", "jaccard") else min)(means)
        assert {row for row, c in table.best if c == column} == {
            row for row, mean in enumerate(means) if mean == best
        }
        for mean, row in zip(means, table.rows, strict=True):
            shown = f"{mean * (100 if metric in ('dice', 'jaccard') else 1):.2f}"
            assert row[column].startswith("n/a" if math.isnan(mean) else shown)
    for said in ("last checkpoint", "Holm", "Wilcoxon", "no test label opened", "counted"):
        assert said in table.caption


def test_costs_are_a_table_of_their_own(comparison: Comparison) -> None:
    table = cost_table(comparison)
    assert table.header[3:] == ["Seconds a step", "Memory GiB", "Parameters M"]
    cost = comparison.rows[1].cost
    assert table.rows[1][:3] == ["crln", "2", "0 1"]
    assert float(table.rows[1][3]) == pytest.approx(cost.seconds_per_step, rel=0.01)
    assert float(table.rows[1][4]) == pytest.approx(cost.peak_memory_gib, abs=0.01)
    assert table.rows[2][2:] == ["", "", "", ""]


def test_undefined_figures_are_shown_as_such(comparison: Comparison) -> None:
    figure = comparison.rows[0].figure("hd95")
    shown = main_table(comparison).rows[0][5]
    assert ("undefined" in shown) == bool(figure.undefined)


def test_published_figures_have_a_column_of_their_own(with_papers: Comparison) -> None:
    table = main_table(with_papers)
    assert table.header[-1] == "Published Dice %, not measured here"
    shown = table.rows[1][-1]
    number = int(shown.removeprefix("91.74|best on test [").removesuffix("]"))
    assert f"[{number}] Wang et al." in table.caption
    assert table.rows[2][-1] == ""
    assert "91.74" not in " ".join(table.rows[1][:-1])
    published = published_table(with_papers)
    assert published.rows[[row[:2] for row in published.rows].index(["CRLN", "8"])][:7] == [
        "CRLN",
        "8",
        "91.74",
        "",
        "",
        "",
        "best on test",
    ]


def test_csv(comparison: Comparison, with_papers: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison))))
    classes = [*comparison.rows[0].last[0].class_names.values(), "foreground"]
    assert [(r["method"], r["class"]) for r in rows] == [
        (m, c) for m in ("supervised", "crln", "tool") for c in classes
    ]
    last = rows[2 * len(classes) - 1]
    figure = comparison.rows[1].figure("dice")
    assert float(last["dice_mean"]) == pytest.approx(figure.mean, rel=1e-5)
    assert float(last["dice_std"]) == pytest.approx(figure.std, rel=1e-5)
    assert last["seeds"] == "0 1"
    assert last["dice_difference_p_holm"]
    assert float(last["seconds_per_step"]) > 0
    assert rows[0]["dice_difference_mean"] == ""
    assert rows[-1]["seconds_per_step"] == ""
    papers = list(csv.DictReader(io.StringIO(to_csv(with_papers))))
    assert papers[2 * len(classes) - 1]["published_dice_percent"] == "91.74"


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
    assert row["figures"]["foreground"]["dice"]["mean"] == pytest.approx(figure.mean)
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
    for text in (to_markdown(leaking), to_json(leaking), main_table(leaking).caption):
        assert "test labels were opened" in text
        assert "no test label opened" not in text


def test_a_validation_split_is_named(comparison: Comparison) -> None:
    validated = replace(comparison, settings=replace(comparison.settings, validation=1))
    assert "validation split" in main_table(validated).caption
    assert "last checkpoint" not in main_table(validated).caption
