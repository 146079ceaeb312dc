"""From the evaluations of cells to the rows of the table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crln.comparison.cell import Cell
from crln.comparison.published import PublishedRow
from crln.comparison.variant import EVERY_LABEL
from crln.evaluation import (
    METRICS,
    Evaluation,
    Metric,
    PairedDifference,
    bootstrap_interval,
    paired_differences,
)
from crln.evaluation.statistics import only_defined
from crln.runs import RunFolder


@dataclass(frozen=True)
class RowFigure:
    """One metric of one row.

    Attributes:
        mean: over seeds, of the mean over cases.
        std: over seeds (n - 1) of the mean over cases; NaN with one seed.
        low: lower end of the bootstrap 95 % interval of the mean over cases (each the mean over
            seeds); it tells how far other scans could move the mean, `std` how far another seed.
        high: upper end of it.
        undefined: values of all seeds, cases and classes that are undefined, and left out.
    """

    mean: float
    std: float
    low: float
    high: float
    undefined: int


@dataclass(frozen=True)
class Measured:
    """The test masks of one cell, or of an outside tool.

    Attributes:
        masks: case id to mask; empty where only a cell's figures are kept.
        last: of the masks as they are.
        largest: of the largest component of each class.
        run: the run folder of a cell, opened.
    """

    masks: Mapping[str, Path]
    last: Evaluation
    largest: Evaluation
    run: RunFolder | None = None


@dataclass(frozen=True)
class Cost:
    """What a training took, the mean over seeds; memory is the most that any took."""

    seconds_per_step: float
    peak_memory_gib: float
    parameters: int


@dataclass(frozen=True)
class Row:
    """A method with one number of labels.

    Attributes:
        method: as it was typed, or an outside tool's name.
        labelled: how many labels it learnt from.
        cells: a seed each; none for an outside tool.
        measured: an entry per cell; one for an outside tool.
        cost: None for an outside tool.
        checkpoint: which weights were measured: "last", "validation", or "" for an outside tool.
        published: what papers report for it.
        differences: per metric, to the reference method with the same labels; None for itself.
    """

    method: str
    labelled: int
    cells: tuple[Cell, ...]
    measured: tuple[Measured, ...]
    cost: Cost | None = None
    checkpoint: str = ""
    published: tuple[PublishedRow, ...] = ()
    differences: Mapping[str, PairedDifference] | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its cells."""
        return tuple(cell.seed for cell in self.cells)

    @property
    def runs(self) -> list[RunFolder]:
        """Of its cells."""
        return [measured.run for measured in self.measured if measured.run]

    @property
    def last(self) -> list[Evaluation]:
        """Of each seed."""
        return [measured.last for measured in self.measured]

    def figure(self, metric: str, value: int | None = None, *, largest: bool = False) -> RowFigure:
        """A metric of the class of one label value; without it, of the mean over classes."""
        return summarise([m.largest if largest else m.last for m in self.measured], metric, value)

    def by_seed(self, metric: str) -> list[float]:
        """The mean over cases of each seed."""
        return [_mean(list(e.values(metric).values())) for e in self.last]

    def by_case(self, metric: str) -> dict[str, float]:
        """Of each case, the mean over the seeds in which it is defined."""
        return by_case(self.last, metric)


def measured_metrics(rows: Sequence[Row]) -> tuple[Metric, ...]:
    """Those that were measured in any row."""
    measured = {metric for row in rows for each in row.last for metric in each.metrics}
    return tuple(metric for metric in METRICS if metric in measured)


def compared_metrics(rows: Sequence[Row]) -> tuple[Metric, ...]:
    """What tables of comparisons show of them; shares are 0..1 here."""
    return tuple(metric for metric in measured_metrics(rows) if metric.compared)


def summarise(
    evaluations: Sequence[Evaluation], metric: str, value: int | None = None
) -> RowFigure:
    """One metric of one class over seeds and cases; without `value`, of the mean over classes."""
    means = np.array([_mean(list(e.values(metric, value).values())) for e in evaluations])
    low, high = bootstrap_interval(list(by_case(evaluations, metric, value).values()))
    defined = only_defined(means)
    return RowFigure(
        mean=_mean(means),
        std=float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
        low=low,
        high=high,
        undefined=sum(evaluation.undefined(metric, value) for evaluation in evaluations),
    )


def by_case(
    evaluations: Sequence[Evaluation], metric: str, value: int | None = None
) -> dict[str, float]:
    """Case id to the mean over seeds of one metric; NaN where it is undefined in all of them."""
    tables = [evaluation.values(metric, value) for evaluation in evaluations]
    return {case: _mean([table[case] for table in tables]) for case in tables[0]}


def compare_rows(rows: Sequence[Row], reference: str) -> list[Row]:
    """The rows with their differences to the reference.

    Each row is compared with the reference at its own number of labels; one that stands at a single
    number, such as all labels, is the reference of every row. p values are corrected for the number
    of methods compared at one number of labels.
    """
    metrics = compared_metrics(rows)
    references = [row for row in rows if row.method == reference]
    compared = {id(row): row for row in rows}
    for count in sorted({row.labelled for row in rows}):
        same = [row for row in references if row.labelled == count]
        chosen = same or (references if reference == EVERY_LABEL else [])
        if not chosen:
            continue
        others = [row for row in rows if row.labelled == count and row is not chosen[0]]
        tables = {m.key: _differences(others, chosen[0], m.key) for m in metrics}
        for row in others:
            differences = {metric: table[row.method] for metric, table in tables.items()}
            compared[id(row)] = replace(row, differences=differences)
    return list(compared.values())


def _differences(rows: Sequence[Row], reference: Row, metric: str) -> dict[str, PairedDifference]:
    theirs = reference.by_case(metric)
    ours = {row.method: row.by_case(metric) for row in rows}
    values = {method: [own[case] for case in theirs] for method, own in ours.items()}
    return paired_differences(values, list(theirs.values()))


def best_rows(rows: Sequence[Row], metric: Metric) -> set[int]:
    """The places of the rows that lead among those with the same number of labels."""
    leading = set()
    for count in {row.labelled for row in rows}:
        same = {i: row for i, row in enumerate(rows) if row.labelled == count}
        if len(same) > 1:
            leading |= metric.lead({i: row.figure(metric.key).mean for i, row in same.items()})
    return leading


def most_dice(rows: Sequence[Row]) -> tuple[Row, list[Row]] | None:
    """The row with the most Dice, and those that it is not ahead of beyond chance.

    A row is among the latter where the 95 % interval of its difference, paired by case, reaches 0.

    Args:
        rows: with the same number of labels.

    Returns:
        None where fewer than two rows have a Dice.
    """
    scored = [row for row in rows if not math.isnan(row.figure("dice").mean)]
    if len(scored) < 2:
        return None
    leader = max(scored, key=lambda row: row.figure("dice").mean)
    others = [row for row in scored if row is not leader]
    differences = _differences(others, leader, "dice")
    return leader, [row for row in others if not differences[row.method].high < 0]


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of what is defined; NaN where nothing is."""
    defined = only_defined(values)
    return float(defined.mean()) if len(defined) else math.nan
