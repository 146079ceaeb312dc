"""The charts of a comparison, with what each says in words."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from crln.comparison.comparison import Comparison
from crln.comparison.rows import Row, compared_metrics
from crln.comparison.variant import EVERY_LABEL
from crln.errors import counted
from crln.evaluation import Metric
from crln.evaluation.metrics import BY_KEY
from crln.report import (
    Chart,
    box_plots,
    cost_scatter,
    label_curves,
    learning_curves,
    structure_plot,
)
from crln.report.charts import Figures
from crln.report.words import about_boxes, spread

_DICE = BY_KEY["dice"]


def case_charts(comparison: Comparison, rows: Sequence[Row]) -> Iterator[Chart]:
    """Of each plotted metric, every test case of rows with the same number of labels."""
    for metric in compared_metrics(comparison.rows):
        if not metric.plotted:
            continue
        values = {row.method: _by_case(row, metric) for row in rows}
        title = metric.title(comparison.unit)
        several = any(len(row.measured) > 1 for row in rows)
        caption = (
            f"{title} {_labelled(rows)}: a dot per test case"
            f"{', the mean over seeds' * several}; {about_boxes(values)}."
        )
        yield Chart(partial(box_plots, values, title), caption, spread(title, values))


def structure_charts(comparison: Comparison, rows: Sequence[Row]) -> Iterator[Chart]:
    """Dice of each structure, where there are several."""
    names = class_names(rows)
    if len(names) < 2:
        return
    values: dict[str, dict[str, Figures]] = {}
    for value, name in names.items():
        for row in rows:
            found = row.figure("dice", value)
            figures = found.mean, found.low, found.high
            values.setdefault(name, {})[row.method] = tuple(100 * f for f in figures)  # type: ignore
    title = _DICE.title(comparison.unit)
    spans = any(not math.isnan(low) for of in values.values() for _, low, _ in of.values())
    caption = (
        f"{title} of each structure {_labelled(rows)}: the mean over test cases"
        f"{'; lines span its 95 % interval' * spans}."
    )
    told = "; ".join(
        f"{name}: " + ", ".join(f"{method} {mean:.1f}" for method, (mean, _, _) in of.items())
        for name, of in values.items()
    )
    yield Chart(partial(structure_plot, values, title), caption, f"Mean {title}. {told}.")


def label_charts(comparison: Comparison) -> Iterator[Chart]:
    """Dice by the number of labels, where there are several."""
    scores: dict[str, dict[int, list[float]]] = {}
    for row in comparison.rows:
        # With every label it is the same method, further along its curve.
        name = "supervised" if row.method == EVERY_LABEL else row.method
        dice = [100 * value for value in row.by_seed("dice") if not math.isnan(value)]
        if dice:
            scores.setdefault(name, {}).setdefault(row.labelled, dice)
    if len({count for by_count in scores.values() for count in by_count}) < 2:
        return
    seeds = any(len(dice) > 1 for of in scores.values() for dice in of.values())
    caption = f"Mean Dice by number of labelled scans{'; bars span the seeds' * seeds}."
    told = "; ".join(
        f"{name}: " + ", ".join(f"{np.mean(of[n]):.1f} with {n}" for n in sorted(of))
        for name, of in scores.items()
    )
    yield Chart(partial(label_curves, scores, "Dice %"), caption, f"Mean Dice in per cent. {told}.")


def cost_charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """Dice against the time of a step."""
    points = {
        row.method: (row.cost.seconds_per_step, 100 * row.figure("dice").mean)
        for row in rows
        if row.cost and not math.isnan(row.figure("dice").mean)
    }
    if len(points) > 1:
        caption = (
            f"Dice against the time of a training step, {_labelled(rows)}: up is better, left is "
            "faster."
        )
        told = "; ".join(f"{n}: {dice:.1f} % at {s:.3g} s" for n, (s, dice) in points.items())
        draw = partial(cost_scatter, points, "seconds per step", "Dice %")
        yield Chart(draw, caption, f"Dice and seconds of a step. {told}.")


def learning_charts(rows: Sequence[Row]) -> Iterator[Chart]:
    """How the losses fell, and the Dice of validation cases rose."""
    logs = {row.method: row.runs[0].log for row in rows if row.runs}
    if logs:
        several = any(len(row.runs) > 1 for row in rows)
        first = ", of the first seed" * several
        caption = f"What is minimised, {_labelled(rows)}{first}: lower is better."
        alt = f"Losses by step of {', '.join(logs)}."
        yield Chart(partial(learning_curves, logs), caption, alt)


def class_names(rows: Sequence[Row]) -> dict[int, str]:
    """Value to name of what was measured; the same in all rows."""
    return rows[0].last[0].class_names if rows else {}


def _labelled(rows: Sequence[Row]) -> str:
    """Such as "with 1 label"."""
    return f"with {counted(rows[0].labelled, 'label')}"


def _by_case(row: Row, metric: Metric) -> list[float]:
    return [metric.scale * value for value in row.by_case(metric.key).values()]
