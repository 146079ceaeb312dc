"""The rows of a comparison as tables."""

import math

from crln.comparison.comparison import Comparison
from crln.comparison.rows import Row, best_rows, compared_metrics
from crln.errors import counted
from crln.evaluation import PairedDifference, ResultTable, TableCell
from crln.evaluation.metrics import BY_KEY, Metric
from crln.evaluation.statistics import FEWEST, TOO_FEW
from crln.evaluation.tables import Column, figure_cell

_DICE = BY_KEY["dice"]
DIFFERENCE, LARGEST, PUBLISHED, SECONDS = "difference", "largest", "published", "seconds"
"""Keys of columns that are not a metric's."""

UNDEFINED = "Undefined distances (one of the masks is empty) are counted, never scored."


def how_to_read(comparison: Comparison) -> str:
    """What stands in a cell; not a word of what these seeds and cases are too few for."""
    several = any(len(row.measured) > 1 for row in comparison.rows)
    means = "Mean ± standard deviation over seeds" if several else "Mean over cases, one seed"
    if len(comparison.test) < FEWEST:
        return f"{means}; {TOO_FEW}"
    return f"{means}; below, the bootstrap 95 % interval of the mean over cases"


def main_table(comparison: Comparison) -> ResultTable:
    """How good every row is."""
    columns, metrics = _row_names(), compared_metrics(comparison.rows)
    for metric in metrics:
        weight = 8 if metric is _DICE else 2 * metric.plotted
        columns[metric.key] = Column(metric.title(comparison.unit), weight=weight)
        if metric is _DICE:
            heading = f"Dice, points above {comparison.reference}"
            columns[DIFFERENCE] = Column(heading, weight=7)
    columns[LARGEST] = Column("Dice %, largest component", weight=0)
    if comparison.published:
        columns[PUBLISHED] = Column("Published Dice %, not measured here", weight=0)
    best = {metric.key: best_rows(comparison.rows, metric) for metric in metrics}
    cells = []
    for place, row in enumerate(comparison.rows):
        found = {"method": TableCell(row.method), "labels": TableCell(str(row.labelled))}
        for metric in metrics:
            found[metric.key] = _estimate(row, metric, best=place in best[metric.key])
        if row.differences:
            found[DIFFERENCE] = _difference_cell(row.differences["dice"])
        found[LARGEST] = _estimate(row, _DICE, largest=True)
        if comparison.published:
            found[PUBLISHED] = _published_cell(row, comparison)
        cells.append(found)
    return ResultTable(columns, cells, _caption(comparison))


def structure_table(comparison: Comparison) -> ResultTable:
    """How good every row is at each structure."""
    metrics = compared_metrics(comparison.rows)
    columns = {"structure": Column("Structure", text=True, row=True), **_row_names()}
    for metric in metrics:
        weight = 8 if metric is _DICE else 2 * metric.plotted
        columns[metric.key] = Column(metric.title(comparison.unit), weight=weight)
    cells = []
    for value, name in comparison.rows[0].last[0].class_names.items():
        for row in comparison.rows:
            found = {"structure": TableCell(name), "method": TableCell(row.method)}
            found["labels"] = TableCell(str(row.labelled))
            for metric in metrics:
                found[metric.key] = _estimate(row, metric, value)
            cells.append(found)
    return ResultTable(columns, cells, f"{how_to_read(comparison)}. {UNDEFINED}")


def cost_table(comparison: Comparison) -> ResultTable:
    """What the trainings of every row took."""
    columns = {
        **_row_names(),
        "seeds": Column("Seeds"),
        SECONDS: Column("Seconds a step"),
        "memory": Column("Memory GiB"),
        "parameters": Column("Parameters M"),
    }
    cells = []
    for row in comparison.rows:
        found = {"method": row.method, "labels": str(row.labelled)}
        found["seeds"] = str(len(row.seeds)) if row.seeds else ""
        if cost := row.cost:
            found[SECONDS] = f"{cost.seconds_per_step:.3g}"
            found["memory"] = f"{cost.peak_memory_gib:.2f}"
            found["parameters"] = f"{cost.parameters / 1e6:.2f}"
        cells.append({key: TableCell(text) for key, text in found.items()})
    caption = (
        "Seconds: mean over steps and seeds. Memory: the most that any process held. Parameters: "
        "of the network that outlines scans."
    )
    return ResultTable(columns, cells, caption)


def published_table(comparison: Comparison) -> ResultTable:
    """What papers and released code report for the preset's data set."""
    publication = comparison.published
    assert publication is not None
    metrics = [BY_KEY[key] for key in publication.order]
    columns = _row_names()
    columns |= {metric.key: Column(metric.title("voxel")) for metric in metrics}
    columns |= {
        "checkpoint": Column("Checkpoint", text=True),
        "source": Column("Source", text=True),
    }
    cells = []
    for entry in publication.rows:
        found = {"method": entry.name, "labels": str(entry.labelled)}
        found |= {key: f"{figure:.2f}" for key, figure in entry.figures.items()}
        found |= {"checkpoint": entry.checkpoint, "source": entry.source}
        cells.append({key: TableCell(text) for key, text in found.items()})
    return ResultTable(columns, cells, f"{publication.dataset}. {' '.join(publication.notes)}")


def _row_names() -> dict[str, Column]:
    return {
        "method": Column("Method", text=True, row=True),
        "labels": Column("Labels", weight=9, row=True),
    }


def _estimate(
    row: Row,
    metric: Metric,
    value: int | None = None,
    *,
    largest: bool = False,
    best: bool = False,
) -> TableCell:
    found = row.figure(metric.key, value, largest=largest)
    return figure_cell(
        metric, found.mean, found.std, (found.low, found.high), found.undefined, best=best
    )


def _difference_cell(difference: PairedDifference) -> TableCell:
    if math.isnan(difference.low):
        return TableCell(_DICE.shown(difference.mean, sign=True))
    ends = (_DICE.shown(end, sign=True) for end in (difference.low, difference.high))
    details = (" to ".join(ends), f"p = {difference.p_holm:.2g}")
    return TableCell(_DICE.shown(difference.mean, sign=True), details)


def _published_cell(row: Row, comparison: Comparison) -> TableCell:
    known = [entry for entry in row.published if "dice" in entry.figures]
    sources = _sources(comparison)
    figures = " / ".join(f"{entry.figures['dice']:.2f}" for entry in known)
    rules = " / ".join(f"{entry.checkpoint} [{sources[entry.source]}]" for entry in known)
    return TableCell(figures, (rules,) if known else ())


def _sources(comparison: Comparison) -> dict[str, int]:
    """The sources of the published figures in the table, numbered."""
    known = [e for row in comparison.rows for e in row.published if "dice" in e.figures]
    return {source: i for i, source in enumerate(dict.fromkeys(e.source for e in known), 1)}


def _caption(comparison: Comparison) -> str:
    rule = (
        "Weights: those that scored best on the validation split."
        if comparison.settings.validation
        else "Weights: the last checkpoint."
    )
    differences = f"Differences are paired by case, to {comparison.reference}"
    if len(comparison.test) >= FEWEST:
        differences += (
            "; p by Wilcoxon's signed-rank test, corrected by Holm for the methods at that number "
            "of labels"
        )
    sources = [f"[{number}] {source}." for source, number in _sources(comparison).items()]
    text = (
        f"{counted(len(comparison.test), 'test case')}, mean over classes. {rule} "
        f"{how_to_read(comparison)}. "
        f"{UNDEFINED} {differences}. Bold: leads among the rows with the same labels. "
        f"Leak check: {comparison.leaks.verdict}."
    )
    return " ".join(
        [text, *(["Published, by checkpoint rule and source:"] if sources else []), *sources]
    )
