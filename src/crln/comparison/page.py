"""The comparison as one HTML page that needs no other file."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from crln.cohort import Label, mask_as_label, read_outline, read_separate
from crln.comparison.comparison import Comparison
from crln.comparison.records import (
    cases_csv,
    environments,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
)
from crln.comparison.rows import COMPARED, most_dice
from crln.comparison.tables import cost_table, main_table, published_table
from crln.comparison.variant import EVERY_LABEL
from crln.evaluation.statistics import FEWEST
from crln.files import write_text
from crln.imaging import Grid, read_image
from crln.labels import IGNORE, LabelSpace
from crln.report import (
    Block,
    Chart,
    FactList,
    PageSection,
    Paragraph,
    Picture,
    box_plots,
    cost_scatter,
    label_curves,
    learning_curves,
    slice_picture,
    write_report,
)

WORST = 3
"""The most cases of a method that are pictured; never more than half of them."""
PAGE = "index.html"
FILES = {
    "comparison.csv": to_csv,
    "comparison-cases.csv": cases_csv,
    "comparison.json": to_json,
    "comparison.md": to_markdown,
    "results.tex": to_latex,
}
"""What is written beside the page."""


def write_results(
    comparison: Comparison,
    *,
    title: str = "Comparison of methods",
    lead: str | None = None,
    first: Sequence[Block] = (),
) -> Path:
    """Writes the page and `FILES` beside it, in place of earlier ones.

    Args:
        comparison: what to show.
        title: of the page.
        lead: stands below it; None: which method leads.
        first: what stands before the table.

    Returns:
        The page.

    Raises:
        CrlnError: a file cannot be written, or a test scan cannot be read.

    Examples:
        >>> settings = crln.Settings(
        ...     Path("data"), methods=("supervised", "mean_teacher"), labelled=(6,), test=6,
        ...     iterations=1, plan=Path("run/plan.yaml"),
        ... )
        >>> comparison = crln.compare(settings, Path("comparison"), say=lambda line: None)
        >>> write_results(comparison).name
        'index.html'
    """
    out = comparison.out
    for name, text in FILES.items():
        write_text(out / name, text(comparison))
    counts = sorted({row.labelled for row in comparison.rows})
    cases = len(comparison.test)
    worst = min(WORST, (cases + 1) // 2)
    sections = [
        PageSection("Result", [*first, main_table(comparison), *_remarks(comparison)]),
        PageSection("Every test case", list(_boxes(comparison, counts))),
        PageSection("More labels", list(_label_curves(comparison))),
        PageSection("Cost", [cost_table(comparison), *_costs(comparison, counts)]),
        PageSection("Trainings", list(_learning(comparison, counts))),
        PageSection(f"Worst {worst} of {cases} cases", list(_worst(comparison, worst))),
        PageSection("Published", [published_table(comparison)] if comparison.published else []),
        PageSection("How it came to be", [_facts(comparison)]),
    ]
    return write_report(
        out / PAGE,
        title,
        [section for section in sections if section.blocks],
        lead=_lead(comparison) if lead is None else lead,
        overwrite=True,
    )


def _lead(comparison: Comparison) -> str:
    leads = []
    for count in sorted({row.labelled for row in comparison.rows}):
        if found := most_dice([row for row in comparison.rows if row.labelled == count]):
            leader, level = found
            dice = 100 * leader.figure("dice").mean
            names = ", ".join(row.method for row in level)
            lead = f"with {_labels(count)} {leader.method} leads at {dice:.1f} % Dice"
            if len(comparison.test) < FEWEST:
                lead += ", which so few cases cannot tell from chance"
            elif level:
                lead += f", not beyond chance over {names}"
            leads.append(lead)
    text = "; ".join([f"{len(comparison.test)} test cases", *leads])
    return f"{text}. Leak check: {comparison.leaks.verdict}."


def _remarks(comparison: Comparison) -> list[Block]:
    return [Paragraph(remark) for remark in comparison.remarks]


def _boxes(comparison: Comparison, counts: list[int]) -> Iterator[Block]:
    for count in counts:
        rows = [row for row in comparison.rows if row.labelled == count]
        for metric in COMPARED:
            if not metric.plotted:
                continue
            values = {
                row.method: [metric.scale * value for value in row.by_case(metric.key).values()]
                for row in rows
            }
            label = metric.title(comparison.unit)
            caption = f"{label} with {_labels(count)}: a dot per test case, the mean over seeds."
            yield Chart(box_plots(values, label), caption)


def _label_curves(comparison: Comparison) -> Iterator[Block]:
    scores: dict[str, dict[int, list[float]]] = {}
    for row in comparison.rows:
        # With every label it is the same method, further along its curve.
        name = "supervised" if row.method == EVERY_LABEL else row.method
        dice = [100 * value for value in row.by_seed("dice") if not math.isnan(value)]
        if dice:
            scores.setdefault(name, {}).setdefault(row.labelled, dice)
    if len({count for by_count in scores.values() for count in by_count}) > 1:
        caption = "Mean Dice by number of labelled scans; bars span the seeds."
        yield Chart(label_curves(scores, "Dice %"), caption)


def _costs(comparison: Comparison, counts: list[int]) -> Iterator[Block]:
    for count in counts:
        rows = [row for row in comparison.rows if row.labelled == count and row.cost]
        points = {
            row.method: (row.cost.seconds_per_step, 100 * row.figure("dice").mean)
            for row in rows
            if row.cost and not math.isnan(row.figure("dice").mean)
        }
        if len(points) > 1:
            caption = f"Dice against the time of a training step, with {_labels(count)}."
            yield Chart(cost_scatter(points, "seconds per step", "Dice %"), caption)


def _learning(comparison: Comparison, counts: list[int]) -> Iterator[Block]:
    for count in counts:
        logs = {
            row.method: row.runs[0].log
            for row in comparison.rows
            if row.labelled == count and row.runs
        }
        if logs:
            caption = f"Loss terms with {_labels(count)}, first seed."
            yield Chart(learning_curves(logs), caption)


def _worst(comparison: Comparison, most: int) -> Iterator[Block]:
    """Of each method with the fewest labels that it has; first seed."""
    shown = set()
    for row in comparison.rows:
        if row.method in shown or not row.measured[0].masks:
            continue
        shown.add(row.method)
        dice = row.last[0].values("dice")
        defined = [case for case in comparison.test if not math.isnan(dice[case.id])]
        for case in sorted(defined, key=lambda case: dice[case.id])[:most]:
            assert case.label is not None
            labels = comparison.cells[0].plan.labels
            mask = mask_as_label(row.measured[0].masks[case.id], labels)
            scan = read_image(case.images)
            figure = slice_picture(
                scan,
                _shown(case.label, labels, scan.grid),
                {f"Dice {100 * dice[case.id]:.1f} %": _shown(mask, labels, scan.grid)},
            )
            yield Picture(figure, f"{row.method} with {_labels(row.labelled)}, {case.id}")


def _shown(label: Label, labels: LabelSpace, grid: Grid) -> np.ndarray:
    """What a picture outlines, (X, Y, Z): values, or combinations; 0 where nobody knows."""
    if labels.separate:
        combined = read_separate(label, labels, grid).array[0]
        return np.where(combined == IGNORE, 0, combined & labels.highest)
    truth = read_outline(label, grid, labels.named)
    return np.where(True if truth.known is None else truth.known, truth.values, 0)


def _facts(comparison: Comparison) -> FactList:
    settings = comparison.settings
    facts: dict[str, object] = {
        "data": settings.data,
        "methods": ", ".join(settings.methods),
        "labels": ", ".join(map(str, settings.labelled)),
        "numbers of the seeds": ", ".join(map(str, settings.seeds)),
        "steps": comparison.cells[0].plan.training.iterations,
        "leak check": comparison.leaks.verdict,
    }
    found = environments(comparison)
    for place, environment in enumerate(found, 1):
        text = ", ".join(f"{name} {value}" for name, value in environment.items())
        facts[f"computed on {place}" if len(found) > 1 else "computed on"] = text
    return FactList(facts)


def _labels(count: int) -> str:
    return f"{count} label{'s' * (count != 1)}"
