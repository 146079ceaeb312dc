"""A comparison as files: CSV, JSON, Markdown and LaTeX."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from crln.comparison.comparison import Comparison
from crln.comparison.rows import Row, compared_metrics, measured_metrics
from crln.comparison.tables import (
    UNDEFINED,
    cost_table,
    how_to_read,
    main_table,
    published_table,
)
from crln.errors import counted
from crln.evaluation import FOREGROUND, Metric
from crln.evaluation.text import csv_text, without_nan

_STATISTICS = ("mean", "std", "low", "high", "undefined")
_DIFFERENCES = ("mean", "low", "high", "p", "p_holm")


def to_markdown(comparison: Comparison) -> str:
    """The tables, what they rest on, and what is published."""
    parts = [
        f"# Comparison on {counted(len(comparison.test), 'test case')}",
        main_table(comparison).to_markdown(),
        cost_table(comparison).to_markdown(),
    ]
    parts += comparison.remarks
    if comparison.published:
        parts += ["## Published, not measured here", published_table(comparison).to_markdown()]
    return "\n\n".join(parts) + "\n"


def to_latex(comparison: Comparison) -> str:
    """The main table."""
    return main_table(comparison).to_latex()


def to_csv(comparison: Comparison) -> str:
    """A line per row and class, the mean over classes last (it has no value); shares are 0..1."""
    metrics, compared = measured_metrics(comparison.rows), compared_metrics(comparison.rows)
    names = ["method", "labelled", "value", "class", "seeds", "checkpoint"]
    for component in ("", "_largest_component"):
        names += [f"{m.key}{component}_{s}" for m in metrics for s in _STATISTICS]
    names += [f"{m.key}_difference_{s}" for m in compared for s in _DIFFERENCES]
    names += ["seconds_per_step", "peak_memory_gib", "parameters"]
    names += ["published_dice_percent", "published_source"]
    lines = []
    for row in comparison.rows:
        names_of = row.last[0].class_names
        for value in (*names_of, None):
            name = FOREGROUND if value is None else names_of[value]
            cells: list[Any] = [row.method, row.labelled, value, name]
            cells += [" ".join(map(str, row.seeds)), row.checkpoint]
            for largest in (False, True):
                for metric in metrics:
                    figure = row.figure(metric.key, value, largest=largest)
                    cells += [getattr(figure, s) for s in _STATISTICS]
            for metric in compared:
                found = row.differences[metric.key] if value is None and row.differences else None
                cells += [getattr(found, s) if found else math.nan for s in _DIFFERENCES]
            cells += list(asdict(row.cost).values()) if row.cost else [math.nan] * 3
            known = row.published if value is None else ()
            dice = [entry.figures["dice"] for entry in known if "dice" in entry.figures]
            cells.append("; ".join(f"{figure:.2f}" for figure in dice))
            cells.append("; ".join(f"{p.source} ({p.checkpoint})" for p in known))
            lines.append(cells)
    return csv_text(names, lines)


def cases_csv(comparison: Comparison) -> str:
    """A line per row, seed, case and class; shares are 0..1."""
    keys = [metric.key for metric in measured_metrics(comparison.rows)]
    names = ["method", "labelled", "seed", "largest_component", "case", "value", "class", *keys]
    lines = [
        [
            row.method, row.labelled, seed, int(evaluation.largest_component),
            found.case, found.value, found.name, *(found.metrics[key] for key in keys),
            found.metrics.predicted, found.metrics.true,
        ]
        for row in comparison.rows
        for seed, measured in zip(row.seeds or (None,), row.measured, strict=True)
        for evaluation in (measured.last, measured.largest)
        for found in evaluation.rows
    ]  # fmt: skip
    return csv_text([*names, "predicted", "true"], lines)


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
        "how_to_read": f"{how_to_read(comparison)}. {UNDEFINED}",
        "leak_check": {"verdict": comparison.leaks.verdict, **asdict(comparison.leaks)},
        "not_done": comparison.faults,
        "remarks": comparison.remarks,
        "computed_on": environments(comparison),
        "rows": [_row_record(row, measured_metrics(comparison.rows)) for row in comparison.rows],
        "published": asdict(comparison.published) if comparison.published else None,
    }
    return json.dumps(without_nan(record), indent=1, allow_nan=False) + "\n"


def environments(comparison: Comparison) -> list[dict[str, Any]]:
    """The different machines and versions that the cells were trained with."""
    names = ("commit", "crln", "torch", "python", "device", "threads", "cores", "precision")
    found: list[dict[str, Any]] = []
    for run in (run for row in comparison.rows for run in row.runs):
        chosen = {name: getattr(run.facts, name) for name in names}
        if chosen not in found:
            found.append(chosen)
    return found


def _row_record(row: Row, metrics: Sequence[Metric]) -> dict[str, Any]:
    """Figures by class (a plan's names are all different), and of the mean over classes."""

    def figures(value: int | None, *, largest: bool) -> dict[str, Any]:
        return {m.key: asdict(row.figure(m.key, value, largest=largest)) for m in metrics}

    names = row.last[0].class_names.items()
    return {
        "method": row.method,
        "labelled": row.labelled,
        "seeds": row.seeds,
        "checkpoint": row.checkpoint,
        "cells": [cell.name for cell in row.cells],
        "mean_over_classes": figures(None, largest=False),
        "mean_over_classes_largest_component": figures(None, largest=True),
        "figures": {name: figures(value, largest=False) for value, name in names},
        "largest_component": {name: figures(value, largest=True) for value, name in names},
        "differences": {key: asdict(d) for key, d in (row.differences or {}).items()},
        "cost": asdict(row.cost) if row.cost else None,
        "cases": [{m.key: evaluation.values(m.key) for m in metrics} for evaluation in row.last],
        "published": [asdict(entry) for entry in row.published],
    }
