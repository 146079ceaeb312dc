"""Charts of trainings and comparisons; each returns a figure whose ink follows the page's."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from crln.errors import CrlnError
from crln.files import read_text
from crln.report.style import CHART, INK, colours

_NOT_LOSSES = {"step", "total", "lr", "seconds", "validation"}
_WIDTH = 9.0


def read_log(path: Path) -> dict[str, np.ndarray]:
    """The columns of a training's CSV log, float64; NaN where a row has no entry.

    Raises:
        CrlnError: missing or not such a log.
    """
    remedy = "give a run's log.csv"
    header, *rows = csv.reader(read_text(Path(path), remedy).splitlines() or [""])
    try:
        columns = zip(*rows, strict=True)  # as many cells in every row
        log = {
            name: np.array([float(cell or "nan") for cell in column])
            for name, column in zip(header, columns, strict=True)
        }
    except ValueError as error:
        raise CrlnError(f"{path}: not a training log ({error}); {remedy}") from error
    if "step" not in log:
        raise CrlnError(f"{path}: not a training log, it has no column step; {remedy}")
    return log


def learning_curves(logs: Mapping[str, Path]) -> Figure:
    """A panel of loss terms per run, then one of validation Dice if any run was validated.

    Args:
        logs: what the run is called to its `log.csv`.
    """
    read = {name: read_log(path) for name, path in logs.items()}
    validated = {n: log for n, log in read.items() if np.isfinite(log.get("validation", [])).any()}
    panels = len(read) + bool(validated)
    columns = 2 if panels == 4 else min(3, panels)
    rows = math.ceil(panels / columns)
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(_WIDTH, 3.0 * rows))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, (name, log) in zip(axes, read.items(), strict=False):
            _draw_losses(axis, name, log)
        if validated:
            _draw_validation(axes[len(read)], validated, colours(read))
        for axis in axes[panels:]:
            axis.set_axis_off()
    return figure


def box_plots(values: Mapping[str, Sequence[float]], label: str) -> Figure:
    """One box per method with every case as a dot.

    Args:
        values: method to one value per case; NaN is left out, and counted under the name.
        label: what the values are, with their unit.
    """
    generator = np.random.default_rng(0)
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(_WIDTH, 0.7 + 0.48 * len(values)))
        axis = figure.subplots()
        defined = {n: np.array([v for v in vs if not math.isnan(v)]) for n, vs in values.items()}
        undefined = {n: len(vs) - len(defined[n]) for n, vs in values.items()}
        ticks = [f"{n} ({undefined[n]} undefined)" if undefined[n] else n for n in values]
        # Drawn from the bottom up: the first method on top.
        places = np.arange(len(values), 0, -1)
        boxes = axis.boxplot(
            list(defined.values()), positions=places, orientation="horizontal", tick_labels=ticks,
            widths=0.5, showfliers=False, patch_artist=True, medianprops={"color": INK, "lw": 1.6},
            whiskerprops={"color": INK}, capprops={"color": INK},
        )  # fmt: skip
        for place, box, (name, colour) in zip(
            places, boxes["boxes"], colours(values).items(), strict=True
        ):
            box.set(facecolor=colour, alpha=0.35, edgecolor=colour)
            jitter = place + generator.uniform(-0.13, 0.13, len(defined[name]))
            axis.plot(defined[name], jitter, "o", ms=3.5, color=colour, alpha=0.9, mew=0)
        axis.set_xlabel(label)
        axis.grid(False, axis="y")
    return figure


def label_curves(
    scores: Mapping[str, Mapping[int, Sequence[float]]], label: str = "Dice"
) -> Figure:
    """Mean score against the number of labelled scans; bars span the seeds.

    Args:
        scores: method to number of labelled scans to one score per seed.
        label: what the scores are.
    """
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(_WIDTH, 3.6))
        axis = figure.subplots()
        counts = sorted({count for by_count in scores.values() for count in by_count})
        for name, colour in colours(scores).items():
            own = sorted(scores[name])
            mean = np.array([np.mean(scores[name][count]) for count in own])
            low = mean - [np.min(scores[name][count]) for count in own]
            high = np.array([np.max(scores[name][count]) for count in own]) - mean
            axis.errorbar(
                own, mean, yerr=[low, high], marker="o", ms=5, capsize=3, color=colour, label=name
            )
        axis.set_xscale("log")
        axis.set_xticks(counts, labels=[str(count) for count in counts])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.minorticks_off()
        axis.set(xlabel="labelled scans", ylabel=label)
        axis.legend(loc="lower right")
    return figure


def cost_scatter(
    points: Mapping[str, tuple[float, float]], cost: str = "seconds per step", label: str = "Dice"
) -> Figure:
    """Score against cost, one dot per method; better is up, cheaper is left.

    Args:
        points: method to (cost, score).
        cost: what the costs are, with their unit.
        label: what the scores are.
    """
    with mpl.rc_context(CHART):
        figure = Figure(figsize=(_WIDTH, 3.8))
        axis = figure.subplots()
        for name, colour in colours(points).items():
            axis.plot(*points[name], "o", ms=8, color=colour, mew=0)
            axis.annotate(name, points[name], xytext=(7, 4), textcoords="offset points", fontsize=9)
        axis.margins(x=0.15, y=0.15)
        axis.set(xlabel=cost, ylabel=label)
    return figure


def _draw_losses(axis: Axes, name: str, log: dict[str, np.ndarray]) -> None:
    terms = [column for column in log if column not in _NOT_LOSSES] or ["total"]
    for term, colour in colours(terms).items():
        known = np.isfinite(log[term])
        axis.plot(log["step"][known], log[term][known], color=colour, label=term, lw=1.4)
    axis.set(title=name, xlabel="step", ylabel="loss")
    axis.set_ylim(bottom=0)
    axis.legend()


def _draw_validation(
    axis: Axes, logs: Mapping[str, dict[str, np.ndarray]], colour: Mapping[str, str]
) -> None:
    for name, log in logs.items():
        known = np.isfinite(log["validation"])
        axis.plot(
            log["step"][known], log["validation"][known], "o-", ms=3.5, color=colour[name],
            label=name,
        )  # fmt: skip
    axis.set(title="Validation", xlabel="step", ylabel="Dice")
    axis.legend(loc="lower right")
