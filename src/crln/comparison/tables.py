"""The rows as CSV, JSON and Markdown, and as cells of a page's table."""

import csv
import io
import json
import math
from dataclasses import asdict
from typing import Any

from crln.comparison.comparison import Comparison
from crln.comparison.rows import METRICS, Figure, Row, best_rows
from crln.evaluation import PairedDifference
from crln.report import Table

HEADINGS = {"dice": "Dice %", "jaccard": "Jaccard %", "hd95": "95HD", "asd": "ASD"}
_OVERLAPS = {"dice", "jaccard"}
_DIFFERENCE = 3
"""The column of the difference: next to Dice, before the other metrics."""
_STATISTICS = ("mean", "std", "low", "high", "undefined")

HOW_TO_READ = (
    "Mean ± standard deviation over seeds; below, the bootstrap 95 % interval of the mean over "
    "cases. Undefined distances (one of the masks is empty) are counted, never scored."
)


def main_table(comparison: Comparison) -> Table:
    """How good every row is; `mean|detail` cells as pages and Markdown show them."""
    rows, reference = comparison.rows, comparison.reference
    headings = [h if m in _OVERLAPS else f"{h} {comparison.unit}" for m, h in HEADINGS.items()]
    header = ["Method", "Labels", *headings, "Dice %, largest component"]
    header.insert(_DIFFERENCE, f"Dice, points above {reference}")
    if comparison.published:
        header.append("Published Dice %, not measured here")
    best = set()
    for metric in METRICS:
        means = [row.figure(metric).mean for row in rows]
        leading = best_rows(rows, means, most=metric in _OVERLAPS)
        column = 2 if metric == "dice" else METRICS.index(metric) + _DIFFERENCE
        best |= {(row, column) for row in leading}
    cells = [_cells(row, comparison) for row in rows]
    return Table(header, cells, _caption(comparison), frozenset(best))


def cost_table(comparison: Comparison) -> Table:
    """What the trainings of every row took."""
    header = ["Method", "Labels", "Seeds", "Seconds a step", "Memory GiB", "Parameters M"]
    cells = []
    for row in comparison.rows:
        if cost := row.cost:
            figures = [f"{cost.seconds_per_step:.3g}", f"{cost.peak_memory_gib:.2f}"]
            figures.append(f"{cost.parameters / 1e6:.2f}")
        else:
            figures = [""] * 3
        cells.append([row.method, str(row.labelled), " ".join(map(str, row.seeds)), *figures])
    caption = (
        "Seconds: mean over steps and seeds. Memory: the most that any process held. Parameters: "
        "of the network that outlines scans."
    )
    return Table(header, cells, caption)


def to_markdown(comparison: Comparison) -> str:
    """The table, what it rests on, and what is published."""
    parts = [
        f"# Comparison on {len(comparison.test)} test cases",
        _markdown(main_table(comparison)),
        _markdown(cost_table(comparison)),
    ]
    parts += [f"Not done: {name}: {fault}" for name, fault in comparison.faults.items()]
    if comparison.published:
        parts += ["## Published, not measured here", _markdown(published_table(comparison))]
    return "\n\n".join(parts) + "\n"


def published_table(comparison: Comparison) -> Table:
    """What papers and released code report for the preset's data set."""
    publication = comparison.published
    assert publication is not None
    header = ["Method", "Labels", "Dice %", "Jaccard %", "95HD voxel", "ASD voxel"]
    header += ["Checkpoint", "Source"]
    rows = []
    for entry in publication.rows:
        figures = [getattr(entry, metric) for metric in METRICS]
        shown = ["" if figure is None else f"{figure:.2f}" for figure in figures]
        rows.append([entry.name, str(entry.labelled), *shown, entry.checkpoint, entry.source])
    return Table(header, rows, f"{publication.dataset}. {' '.join(publication.notes)}")


def to_csv(comparison: Comparison) -> str:
    """A line per row and class; overlaps 0..1; an undefined figure is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["method", "labelled", "class", "seeds", "checkpoint"]
    for component in ("", "_largest_component"):
        names += [f"{m}{component}_{s}" for m in METRICS for s in _STATISTICS]
    differences = ("mean", "low", "high", "p", "p_holm")
    names += [f"{m}_difference_{s}" for m in METRICS for s in differences]
    names += ["seconds_per_step", "peak_memory_gib", "parameters"]
    names += ["published_dice_percent", "published_source"]
    writer.writerow(names)
    for row in comparison.rows:
        for name in _classes(row):
            whole = name == _classes(row)[-1]
            cells: list[Any] = [row.method, row.labelled, name, " ".join(map(str, row.seeds))]
            cells.append(row.checkpoint)
            for largest in (False, True):
                for metric in METRICS:
                    figure = row.figure(metric, name, largest=largest)
                    cells += [getattr(figure, s) for s in _STATISTICS]
            for metric in METRICS:
                found = row.differences[metric] if whole and row.differences else None
                cells += [getattr(found, s) if found else math.nan for s in differences]
            cells += list(asdict(row.cost).values()) if row.cost else [math.nan] * 3
            known = row.published if whole else ()
            cells.append("; ".join(f"{p.dice:.2f}" for p in known if p.dice is not None))
            cells.append("; ".join(f"{p.source} ({p.checkpoint})" for p in known))
            writer.writerow([_plain(cell) for cell in cells])
    return text.getvalue()


def to_json(comparison: Comparison) -> str:
    """Everything: settings, leak check, rows with every case of every seed, what is published."""
    settings = comparison.settings
    record = {
        "settings": {
            **settings.fixed(),
            "methods": settings.methods,
            "labelled": settings.labelled,
            "seeds": settings.seeds,
        },
        "unit": comparison.unit,
        "reference": comparison.reference,
        "test": [case.id for case in comparison.test],
        "how_to_read": HOW_TO_READ,
        "leak_check": {"verdict": comparison.leaks.verdict, **asdict(comparison.leaks)},
        "not_done": comparison.faults,
        "computed_on": environments(comparison),
        "rows": [_row_record(row) for row in comparison.rows],
        "published": asdict(comparison.published) if comparison.published else None,
    }
    return json.dumps(_nulls(record), indent=1, allow_nan=False) + "\n"


def environments(comparison: Comparison) -> list[dict[str, Any]]:
    """The different machines and versions that the cells were trained with."""
    names = ("commit", "crln", "torch", "python", "device", "threads", "cores", "precision")
    found: list[dict[str, Any]] = []
    for cell in comparison.cells:
        facts = cell.run.facts if cell.run else {}
        chosen = {name: facts.get(name) for name in names}
        if chosen not in found:
            found.append(chosen)
    return found


def _cells(row: Row, comparison: Comparison) -> list[str]:
    cells = [row.method, str(row.labelled)]
    cells += [_figure_cell(row.figure(metric), metric) for metric in METRICS]
    cells.append(_figure_cell(row.figure("dice", largest=True), "dice"))
    cells.insert(_DIFFERENCE, _difference_cell(row.differences["dice"]) if row.differences else "")
    if comparison.published:
        known = [entry for entry in row.published if entry.dice is not None]
        sources = _sources(comparison)
        figures = " / ".join(f"{entry.dice:.2f}" for entry in known)
        rules = " / ".join(f"{entry.checkpoint} [{sources[entry.source]}]" for entry in known)
        cells.append(f"{figures}|{rules}" if known else "")
    return cells


def _sources(comparison: Comparison) -> dict[str, int]:
    """The sources of the published figures in the table, numbered."""
    known = [entry for row in comparison.rows for entry in row.published if entry.dice is not None]
    return {source: i for i, source in enumerate(dict.fromkeys(e.source for e in known), 1)}


def _figure_cell(figure: Figure, metric: str) -> str:
    scale, digits = (100, 2) if metric in _OVERLAPS else (1, 2)
    undefined = f"{figure.undefined} undefined" if figure.undefined else ""
    if math.isnan(figure.mean):
        return f"n/a|{undefined}"
    text = f"{scale * figure.mean:.{digits}f}"
    if not math.isnan(figure.std):
        text += f" ± {scale * figure.std:.{digits}f}"
    details = [undefined] if undefined else []
    if not math.isnan(figure.low):
        details.insert(0, f"{scale * figure.low:.{digits}f} to {scale * figure.high:.{digits}f}")
    return f"{text}|{', '.join(details)}" if details else text


def _difference_cell(difference: PairedDifference) -> str:
    if math.isnan(difference.mean):
        return "n/a"
    text = f"{100 * difference.mean:+.2f}"
    if math.isnan(difference.low):
        return text
    low, high = 100 * difference.low, 100 * difference.high
    return f"{text}|{low:+.2f} to {high:+.2f}, p = {difference.p_holm:.2g}"


def _caption(comparison: Comparison) -> str:
    rule = (
        "Weights: those that scored best on the validation split."
        if comparison.settings.validation
        else "Weights: the last checkpoint."
    )
    sources = [f"[{number}] {source}." for source, number in _sources(comparison).items()]
    text = (
        f"{len(comparison.test)} test cases, mean over classes. {rule} {HOW_TO_READ} Differences "
        f"are paired by case, to {comparison.reference}; p by Wilcoxon's signed-rank test, "
        f"corrected by Holm for the methods at that number of labels. Bold: leads among the rows "
        f"with the same labels. Leak check: {comparison.leaks.verdict}."
    )
    return " ".join(
        [text, *(["Published, by checkpoint rule and source:"] if sources else []), *sources]
    )


def _markdown(table: Table) -> str:
    lines = ["| " + " | ".join(table.header) + " |", "|" + "---|" * len(table.header)]
    for place, row in enumerate(table.rows):
        cells = []
        for column, cell in enumerate(row):
            figure, _, detail = cell.partition("|")
            shown = f"**{figure}**" if (place, column) in table.best else figure
            cells.append(f"{shown} ({detail})" if detail else shown)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", table.caption])


def _row_record(row: Row) -> dict[str, Any]:
    return {
        "method": row.method,
        "labelled": row.labelled,
        "seeds": row.seeds,
        "checkpoint": row.checkpoint,
        "cells": [cell.name for cell in row.cells],
        **{
            kind: {
                name: {m: asdict(row.figure(m, name, largest=largest)) for m in METRICS}
                for name in _classes(row)
            }
            for kind, largest in (("figures", False), ("largest_component", True))
        },
        "differences": {m: asdict(d) for m, d in (row.differences or {}).items()},
        "cost": asdict(row.cost) if row.cost else None,
        "cases": [{m: evaluation.values(m) for m in METRICS} for evaluation in row.last],
        "published": [asdict(entry) for entry in row.published],
    }


def _classes(row: Row) -> list[str]:
    """The classes, then their mean."""
    return [*row.last[0].class_names.values(), "foreground"]


def _plain(cell: Any) -> Any:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.6g}"
    return cell


def _nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nulls(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_nulls(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
