"""The comparison as one HTML page that needs no other file."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from crln.cohort import mask_as_label
from crln.comparison.charts import (
    case_charts,
    class_names,
    cost_charts,
    label_charts,
    learning_charts,
    structure_charts,
)
from crln.comparison.comparison import Comparison
from crln.comparison.records import (
    cases_csv,
    environments,
    to_csv,
    to_json,
    to_latex,
    to_markdown,
)
from crln.comparison.rows import Row, most_dice
from crln.comparison.tables import cost_table, main_table, published_table, structure_table
from crln.errors import counted
from crln.evaluation.statistics import FEWEST
from crln.files import write_text
from crln.report import (
    Block,
    Chart,
    FactList,
    PageSection,
    Paragraph,
    Viewers,
    look_at,
    write_report,
)
from crln.report.page import folded
from crln.report.words import DICE
from crln.report.worst import dice_of

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
    alike = [[row for row in comparison.rows if row.labelled == count] for count in counts]
    cases = len(comparison.test)
    worst = min(WORST, (cases + 1) // 2)
    sections = [
        PageSection(
            "Result", [*first, main_table(comparison), *_remarks(comparison), Paragraph(DICE)]
        ),
        PageSection("Every structure", list(_structures(comparison, alike))),
        PageSection("Every test case", _of(alike, partial(case_charts, comparison))),
        PageSection("More labels", list(label_charts(comparison))),
        PageSection("Cost", [cost_table(comparison), *_of(alike, cost_charts)]),
        PageSection("Trainings", _of(alike, learning_charts)),
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
            lead = f"with {counted(count, 'label')} {leader.method} leads at {dice:.1f} % Dice"
            if len(comparison.test) < FEWEST:
                lead += ", which so few cases cannot tell from chance"
            elif level:
                lead += f", not beyond chance over {names}"
            leads.append(lead)
    text = "; ".join([counted(len(comparison.test), "test case"), *leads])
    return f"{text}. Leak check: {comparison.leaks.verdict}."


def _remarks(comparison: Comparison) -> list[Block]:
    return [Paragraph(remark) for remark in comparison.remarks]


def _of(alike: Sequence[Sequence[Row]], charts: Callable[..., Iterator[Chart]]) -> list[Block]:
    """The charts of each number of labels."""
    return [chart for rows in alike for chart in charts(rows)]


def _structures(comparison: Comparison, alike: Sequence[Sequence[Row]]) -> Iterator[Block]:
    """Where there are several; tables too long to be read at once are folded away."""
    if len(class_names(comparison.rows)) > 1:
        yield from _of(alike, partial(structure_charts, comparison))
        table = structure_table(comparison)
        yield folded(f"{len(table.rows)} rows of figures", table)


def _worst(comparison: Comparison, most: int) -> Iterator[Block]:
    """Of each method with the fewest labels that it has; first seed."""
    labels = comparison.cells[0].plan.labels if comparison.cells else None
    shown = set()
    for row in comparison.rows:
        if row.method in shown or not row.measured[0].masks or labels is None:
            continue
        shown.add(row.method)
        found = row.last[0]
        dice = found.values("dice")
        defined = [case for case in comparison.test if not math.isnan(dice[case.id])]
        views = []
        for case in sorted(defined, key=lambda case: dice[case.id])[:most]:
            assert case.label is not None
            mask = mask_as_label(row.measured[0].masks[case.id], labels)
            figures = dice_of(found, case.id)
            views.append(look_at(case.id, case.images, mask, case.label, labels, figures))
        several = ", first seed" * (len(row.measured) > 1)
        yield Viewers(views, f"{row.method} with {counted(row.labelled, 'label')}{several}")


def _facts(comparison: Comparison) -> FactList:
    settings = comparison.settings
    facts: dict[str, object] = {
        "data": settings.data,
        "methods": ", ".join(settings.methods),
        "learnt from": ", ".join(counted(count, "label") for count in settings.labelled),
        "trained with": _seeds(settings.seeds),
        "steps": comparison.cells[0].plan.training.iterations,
        "leak check": comparison.leaks.verdict,
    }
    found = environments(comparison)
    for place, environment in enumerate(found, 1):
        text = ", ".join(f"{name} {value}" for name, value in environment.items() if value)
        facts[f"computed on {place}" if len(found) > 1 else "computed on"] = text
    return FactList(facts)


def _seeds(seeds: Sequence[int]) -> str:
    """How many, and which."""
    return f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"
