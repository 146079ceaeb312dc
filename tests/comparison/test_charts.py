"""Charts of a comparison say what is shown, and nothing that is not."""

from dataclasses import replace

import numpy as np

from crln.comparison import Comparison, Row
from crln.comparison.charts import (
    case_charts,
    class_names,
    cost_charts,
    label_charts,
    learning_charts,
    structure_charts,
)


def one_seed(row: Row) -> Row:
    return replace(row, cells=row.cells[:1], measured=row.measured[:1])


def test_seeds_are_named_only_where_there_are_several(comparison: Comparison) -> None:
    several, one = comparison.rows, [one_seed(row) for row in comparison.rows]
    for charts in (lambda rows: case_charts(comparison, rows), learning_charts):
        assert all("seed" in chart.caption for chart in charts(several))
        assert not any("seed" in chart.caption for chart in charts(one))


def test_two_cases_are_dots_with_their_mean(comparison: Comparison) -> None:
    dice, hd95 = case_charts(comparison, comparison.rows)
    assert dice.caption == (
        "Dice % with 2 labels: a dot per test case, the mean over seeds; the line is their mean."
    )
    assert hd95.caption.startswith("95HD mm")
    for row in comparison.rows:
        found = sorted(100 * value for value in row.by_case("dice").values())
        assert f"{row.method}: from {found[0]:.1f} to {found[1]:.1f}" in dice.alt


def test_every_structure_has_its_figures(comparison: Comparison) -> None:
    (chart,) = structure_charts(comparison, comparison.rows)
    assert "interval" not in chart.caption  # two cases have none
    for value, name in class_names(comparison.rows).items():
        assert f"{name}: " in chart.alt
        for row in comparison.rows:
            mean = 100 * np.mean([list(e.values("dice", value).values()) for e in row.last])
            assert f"{row.method} {mean:.1f}" in chart.alt
    axis = chart.draw().axes[0]
    assert [text.get_text() for text in axis.texts] == [*class_names(comparison.rows).values()]


def test_labels_are_a_chart_only_where_there_are_several(comparison: Comparison) -> None:
    assert not list(label_charts(comparison))
    more = replace(comparison.rows[0], labelled=3)
    (chart,) = label_charts(replace(comparison, rows=(*comparison.rows, more)))
    assert "bars span the seeds" in chart.caption
    assert " with 2, " in chart.alt
    rows = tuple(one_seed(row) for row in (*comparison.rows, more))
    (chart,) = label_charts(replace(comparison, rows=rows))
    assert "seeds" not in chart.caption


def test_costs_are_told_of_trainings_alone(comparison: Comparison) -> None:
    (chart,) = cost_charts(comparison.rows)
    assert "crln" in chart.alt
    assert "tool" not in chart.alt
    assert not list(cost_charts(comparison.rows[:1]))
