"""Charts of trainings and comparisons; each returns a figure whose ink follows the page's.

Each is drawn for a page and, anew, for a telephone: type keeps its size, and what stood side by
side is stacked.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from crln.evaluation.statistics import only_defined
from crln.report.log import NO_LOSSES, read_log
from crln.report.style import CHART, INK, WIDE, colours
from crln.report.words import BOXED, loss_title

LEAST = 2.0
"""Of a score, what a chart of costs spans at least."""

Figures = tuple[float, float, float]
"""A mean and the ends of its interval; these are NaN where there is none."""


def learning_curves(logs: Mapping[str, Path], *, width: float = WIDE) -> Figure:
    """A panel of loss terms per run, then one of validation Dice if any run was validated.

    Args:
        logs: what the run is called to its `log.csv`.
        width: in inches.
    """
    read = {name: read_log(path) for name, path in logs.items()}
    validated = {n: log for n, log in read.items() if np.isfinite(log.get("validation", [])).any()}
    panels = len(read) + bool(validated)
    columns = 1 if width < WIDE else 2 if panels == 4 else min(3, panels)
    rows = math.ceil(panels / columns)
    terms = colours(dict.fromkeys(term for log in read.values() for term in _terms(log)))
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(width, 2.9 * rows + 0.2 * math.ceil(len(terms) / columns)))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, (name, log) in zip(axes, read.items(), strict=False):
            _draw_losses(axis, name, log, terms)
        if validated:
            _draw_validation(axes[len(read)], validated, colours(read))
        for axis in axes[panels:]:
            axis.set_axis_off()
        drawn = [Line2D([], [], color=colour) for colour in terms.values()]
        _legend_below(figure, dict(zip(map(loss_title, terms), drawn, strict=True)))
    return figure


def box_plots(values: Mapping[str, Sequence[float]], label: str, *, width: float = WIDE) -> Figure:
    """A row per method with every case as a dot; a box where there are enough of them.

    A line is the median within a box, and the mean of dots without one.

    Args:
        values: method to one value per case; NaN is left out, and counted beside the name.
        label: what the values are, with their unit.
        width: in inches.
    """
    generator = np.random.default_rng(0)
    defined = {n: only_defined(vs) for n, vs in values.items()}
    undefined = {n: len(vs) - len(defined[n]) for n, vs in values.items()}
    with mpl.rc_context(CHART):
        figure, axis = _rows(
            [f"{n} ({undefined[n]} undefined)" if undefined[n] else n for n in values], label, width
        )
        for place, (name, colour) in enumerate(colours(values).items()):
            found = defined[name]
            if len(found) >= BOXED:
                axis.boxplot(
                    found, positions=[-place], orientation="horizontal", widths=0.4,
                    showfliers=False, patch_artist=True, manage_ticks=False,
                    medianprops={"color": INK, "lw": 1.6}, whiskerprops={"color": INK},
                    boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
                    capprops={"color": INK},
                )  # fmt: skip
            elif len(found):
                axis.plot([found.mean()] * 2, [-place - 0.2, -place + 0.2], color=INK, lw=1.6)
            jitter = -place + generator.uniform(-0.11, 0.11, len(found))
            axis.plot(found, jitter, "o", ms=4.5, color=colour, alpha=0.9, mew=0)
    return figure


def structure_plot(
    values: Mapping[str, Mapping[str, Figures]], label: str, *, width: float = WIDE
) -> Figure:
    """A row per structure, in it a dot per method; a line spans the interval of its mean.

    Args:
        values: structure to method to its figures.
        label: what they are, with their unit.
        width: in inches.
    """
    methods = colours(dict.fromkeys(name for of in values.values() for name in of))
    with mpl.rc_context(CHART):
        figure, axis = _rows(list(values), label, width)
        for place, of in enumerate(values.values()):
            for which, (name, colour) in enumerate(methods.items()):
                mean, low, high = of.get(name, (math.nan,) * 3)
                at = -place + 0.4 * (0.5 - (which + 0.5) / len(methods))
                axis.plot([low, high], [at, at], color=colour, lw=2)
                axis.plot(mean, at, "o", ms=6, color=colour, mew=0)
        dots = [Line2D([], [], color=c, marker="o", ms=6, mew=0) for c in methods.values()]
        _legend_below(figure, dict(zip(methods, dots, strict=True)))
    return figure


def label_curves(
    scores: Mapping[str, Mapping[int, Sequence[float]]], label: str = "Dice", *, width: float = WIDE
) -> Figure:
    """Mean score against the number of labelled scans; bars span the seeds.

    Args:
        scores: method to number of labelled scans to one score per seed.
        label: what the scores are.
        width: in inches.
    """
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(width, 3.6))
        axis = figure.subplots()
        counts = sorted({count for by_count in scores.values() for count in by_count})
        drawn = {}
        for name, colour in colours(scores).items():
            own = sorted(scores[name])
            mean = np.array([np.mean(scores[name][count]) for count in own])
            low = mean - [np.min(scores[name][count]) for count in own]
            high = np.array([np.max(scores[name][count]) for count in own]) - mean
            drawn[name] = axis.errorbar(
                own, mean, yerr=[low, high], marker="o", ms=5, capsize=3, color=colour
            )
        axis.set_xscale("log")
        axis.set_xticks(counts, labels=[str(count) for count in counts])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
        axis.set(xlabel="labelled scans", ylabel=label)
        _legend_below(figure, drawn)
    return figure


def cost_scatter(
    points: Mapping[str, tuple[float, float]],
    cost: str = "seconds per step",
    label: str = "Dice",
    *,
    width: float = WIDE,
) -> Figure:
    """Score against cost, one dot per method; better is up, cheaper is left.

    Args:
        points: method to (cost, score).
        cost: what the costs are, with their unit.
        label: what the scores are.
        width: in inches.
    """
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(width, 3.4))
        axis = figure.subplots()
        drawn = {
            name: axis.plot(*points[name], "o", ms=9, color=colour, mew=0)[0]
            for name, colour in colours(points).items()
        }
        axis.margins(x=0.15, y=0.15)
        low, high = axis.get_ylim()  # no small difference fills the chart
        spare = max(0.0, LEAST - (high - low)) / 2
        axis.set_ylim(low - spare, high + spare)
        axis.locator_params(axis="x", nbins=5)
        axis.set(xlabel=cost, ylabel=label)
        _legend_below(figure, drawn)
    return figure


def _rows(names: Sequence[str], label: str, width: float) -> tuple[Figure, Axes]:
    """Axes with a row at 0, -1, -2, ..., its name above it, so that it may be long."""
    lines = max((_folded(name, width).count("\n") + 1 for name in names), default=1)
    figure = Figure(figsize=(width, 0.75 + (0.48 + 0.14 * lines) * len(names)))
    axis = figure.subplots()
    for place, name in enumerate(names):
        axis.text(
            0, -place + 0.28, _folded(name, width), transform=axis.get_yaxis_transform(),
            fontsize=9, va="bottom",
        )  # fmt: skip
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_ylim(0.35 - len(names), 0.75)
    axis.set_xlabel(label)
    axis.locator_params(axis="x", nbins=max(4, int(width)))
    return figure, axis


def _legend_below(figure: Figure, drawn: Mapping[str, Any]) -> None:
    """What each colour is, below the panels; in as many columns as there is room for."""
    width = figure.get_figwidth()
    names = [_folded(name, width) for name in drawn]
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    columns = max(1, min(len(drawn), int(width / (0.45 + 0.085 * longest))))
    figure.legend(
        list(drawn.values()), names, loc="outside lower left", ncols=columns,
        borderaxespad=0.2,
    )  # fmt: skip


def _folded(text: str, width: float) -> str:
    """In lines that fit into as many inches."""
    return "\n".join(textwrap.wrap(text, int(width * 10.5)))


def _terms(log: Mapping[str, np.ndarray]) -> Iterable[str]:
    """The losses of a log, without their sum where there are several."""
    return [column for column in log if column not in NO_LOSSES] or ["total"]


def _draw_losses(
    axis: Axes, name: str, log: Mapping[str, np.ndarray], colour: Mapping[str, str]
) -> None:
    for term in _terms(log):
        known = np.isfinite(log[term])
        axis.plot(
            log["step"][known], log[term][known], color=colour[term], lw=1.4,
            label=loss_title(term),
        )  # fmt: skip
    _title(axis, name)
    axis.set(xlabel="step", ylabel="loss")
    axis.set_ylim(bottom=0)


def _draw_validation(
    axis: Axes, logs: Mapping[str, dict[str, np.ndarray]], colour: Mapping[str, str]
) -> None:
    for name, log in logs.items():
        known = np.isfinite(log["validation"])
        axis.plot(
            log["step"][known], log["validation"][known], "o-", ms=3.5, color=colour[name],
            label=_folded(name, 2.2),
        )  # fmt: skip
    _title(axis, "Validation cases")
    axis.set(xlabel="step", ylabel="Dice")
    axis.legend(loc="lower right")


def _title(axis: Axes, text: str) -> None:
    axis.set_title(_folded(text, 2.8))
    axis.locator_params(axis="x", nbins=5)
