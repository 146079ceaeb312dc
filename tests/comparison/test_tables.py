"""The same figures in every form, published ones apart."""

import math
from dataclasses import replace
from typing import Any

import pytest

from crln.cli.compare import _show
from crln.cli.screen import console
from crln.comparison import Comparison
from crln.comparison.rows import compared_metrics
from crln.comparison.tables import PUBLISHED, SECONDS, cost_table, main_table, published_table
from crln.evaluation import TableCell


def test_the_table_shows_all_that_a_reader_needs(comparison: Comparison) -> None:
    table = main_table(comparison)
    assert table.header == [
        "Method", "Labels", "Dice %", "Dice, points above supervised", "Jaccard %", "95HD mm",
        "ASD mm", "NSD %", "Dice %, largest component",
    ]  # fmt: skip
    assert [row["method"].value for row in table.rows] == ["supervised", "crln", "tool"]
    assert all(len(row) == len(table.header) for row in table.cells)
    for metric in compared_metrics(comparison.rows):
        means = [row.figure(metric.key).mean for row in comparison.rows]
        best = (min if metric.unit == "distance" else max)(means)
        assert [row[metric.key].best for row in table.rows] == [mean == best for mean in means]
        for mean, row in zip(means, table.rows, strict=True):
            shown = f"{mean * (1 if metric.unit == 'distance' else 100):.2f}"
            assert row[metric.key].value.startswith("n/a" if math.isnan(mean) else shown)
    for said in ("last checkpoint", "no test label opened", "counted"):
        assert said in table.caption


def test_the_caption_explains_what_the_table_has(comparison: Comparison) -> None:
    first = comparison.rows[0]
    one_seed = replace(first, cells=first.cells[:1], measured=first.measured[:1])
    of_many, of_few = (
        main_table(replace(comparison, rows=rows, test=comparison.test[:1] * cases)).caption
        for rows, cases in ((comparison.rows, 6), ([one_seed], 4))
    )
    for said in ("deviation over seeds", "interval of the mean", "Wilcoxon", "Holm"):
        assert said in of_many
        assert said not in of_few
    assert "one seed; fewer than 6 cases: too few" in of_few


def test_costs_are_a_table_of_their_own(comparison: Comparison) -> None:
    table = cost_table(comparison)
    assert table.header[3:] == ["Seconds a step", "Memory GiB", "Parameters M"]
    cost = comparison.rows[1].cost
    assert [cell.value for cell in table.cells[1][:3]] == ["crln", "2", "2"]
    assert float(table.rows[1][SECONDS].value) == pytest.approx(cost.seconds_per_step, rel=0.01)
    assert float(table.rows[1]["memory"].value) == pytest.approx(cost.peak_memory_gib, abs=0.01)
    assert [cell.value for cell in table.cells[2][2:]] == ["", "", "", ""]


def test_undefined_figures_are_shown_as_such(comparison: Comparison) -> None:
    figure = comparison.rows[0].figure("hd95")
    shown = main_table(comparison).rows[0]["hd95"]
    assert ("undefined" in shown.detail) == bool(figure.undefined)


def test_published_figures_have_a_column_of_their_own(with_papers: Comparison) -> None:
    table = main_table(with_papers)
    assert table.header[-1] == "Published Dice %, not measured here"
    shown = table.rows[1][PUBLISHED]
    assert shown.value == "91.74"
    number = int(shown.detail.removeprefix("best on test [").removesuffix("]"))
    assert f"[{number}] Wang et al." in table.caption
    assert table.rows[2][PUBLISHED].value == ""
    assert "91.74" not in " ".join(cell.value for cell in table.cells[1][:-1])
    published = published_table(with_papers)
    shown = [[cell.value for cell in row[:7]] for row in published.cells]
    assert ["CRLN", "8", "91.74", "", "", "", "best on test"] in shown


def test_a_validation_split_is_named(comparison: Comparison) -> None:
    validated = replace(comparison, settings=replace(comparison.settings, validation=1))
    assert "validation split" in main_table(validated).caption
    assert "last checkpoint" not in main_table(validated).caption


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_figures_stay_whole(
    comparison: Comparison, width: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(console, "_width", width)
    _show(comparison)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    for row in main_table(comparison).rows:
        for key in ("method", "labels", "dice", "difference"):
            cell = row.get(key, TableCell())
            assert all(line in text for line in (cell.value, *cell.details))
    assert "too few cases for an interval" in " ".join(text.split())
