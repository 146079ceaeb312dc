"""The page of an evaluation: how good the masks are, and where they are worst."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from crln.errors import CrlnError, counted
from crln.evaluation import Evaluation, Metric
from crln.evaluation.metrics import BY_KEY
from crln.evaluation.results import named
from crln.evaluation.statistics import FEWEST
from crln.evaluation.tables import case_table, class_title, evaluation_table
from crln.labels import LabelSpace
from crln.report.gallery import check_own
from crln.report.page import (
    Block,
    Chart,
    FactList,
    KeyFigure,
    KeyFigures,
    PageSection,
    Paragraph,
    folded,
    refuse_existing,
    write_report,
)
from crln.report.viewer import Viewer, Viewers
from crln.report.words import DICE, about_boxes, spread
from crln.report.worst import dice_of, look_at

MARK = "crln evaluate"
"""Which writes the page; a person's own is never replaced."""
WORST = 20
"""Cases that are pictured at most."""


def page_beside(out: Path, *, overwrite: bool = False) -> Path:
    """Where the page of an evaluation lies that is saved as `out`.

    Raises:
        CrlnError: there is one, and `overwrite` is not set, or it is no such page.
    """
    page = named(out, ".html")
    refuse_existing(page, overwrite)
    check_own(page, MARK)
    return page


def write_evaluation(
    evaluation: Evaluation,
    path: Path,
    *,
    scans: Mapping[str, Sequence[Path]] | None = None,
    facts: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a page of its own: figures of each structure, every case, the worst cases first.

    Args:
        evaluation: as `evaluate` returns it; one that was read from its record has no pictures.
        path: the page.
        scans: case id to its image files; without them outlines are shown alone.
        facts: how it came to be, name to value.
        overwrite: replace a page that is there.

    Returns:
        `path`.

    Raises:
        CrlnError: the page exists and `overwrite` is not set or it is another, or it cannot be
            written.

    Examples:
        >>> from crln.report import write_evaluation
        >>> evaluation = crln.evaluate("masks", "data/labels")
        >>> write_evaluation(evaluation, Path("measured.html")).name
        'measured.html'
    """
    refuse_existing(path, overwrite)
    check_own(path, MARK)
    order = worst_first(evaluation)
    table = case_table(evaluation)
    place = {case: i for i, case in enumerate(order)}
    table = replace(table, rows=sorted(table.rows, key=lambda row: place[row["case"].value]))
    views = list(_views(evaluation, order[:WORST], scans or {}))
    all_shown = len(views) == len(order)
    sections = [
        PageSection("Result", [
            _key_figures(evaluation, order),
            evaluation_table(evaluation),
            *map(Paragraph, map(_sentence, evaluation.left_out.lines)),
            Paragraph(DICE),
        ]),
        PageSection("Spread over cases", list(_charts(evaluation))),
        PageSection(
            "Worst cases first" if all_shown else f"Worst {len(views)} of {len(order)} cases",
            [Viewers(views)] if views else [],
        ),
        PageSection("Every case", [
            folded(f"Figures of {counted(len(order), 'case')}, the worst first", table)
        ]),
        PageSection("How it came to be", [FactList({**(facts or {}), **_facts(evaluation)})]),
    ]  # fmt: skip
    lead = f"How well {counted(len(order), 'mask')} agree with the labels of the same scans."
    return write_report(
        path, "Masks against labels", [section for section in sections if section.blocks],
        lead=lead, mark=MARK, overwrite=overwrite,
    )  # fmt: skip


def worst_first(evaluation: Evaluation) -> list[str]:
    """The cases by their mean Dice over classes, the lowest first; undefined ones come last."""
    dice = evaluation.values("dice")
    return sorted(dice, key=lambda case: (math.isnan(dice[case]), dice[case]))


def _key_figures(evaluation: Evaluation, order: Sequence[str]) -> KeyFigures:
    several = ", mean over structures" * (len(evaluation.class_names) > 1)
    figures = []
    for key in ("dice", "hd95"):
        metric, found = BY_KEY[key], evaluation.summarised(key)
        if not math.isnan(found.mean):
            digits = 1 if metric.unit == "%" else 2
            ends = " to ".join(metric.shown(end, digits) for end in (found.low, found.high))
            note = f"fewer than {FEWEST} cases: no interval"
            if not math.isnan(found.low):
                note = f"95 % interval {ends}"
            unit = evaluation.unit if metric.unit == "distance" else metric.unit
            shown = f"{metric.shown(found.mean, digits)} {unit}"
            figures.append(KeyFigure(shown, f"{metric.heading}{several}", note))
    worst = evaluation.values("dice")[order[0]] if order else math.nan
    if not math.isnan(worst):
        shown = f"{BY_KEY['dice'].shown(worst, 1)} %"
        figures.append(KeyFigure(shown, "Dice of the worst case", order[0]))
    left = len(evaluation.left_out.without_label) + len(evaluation.left_out.without_mask)
    note = f"{left} left out" if left else "none left out"
    figures.append(KeyFigure(str(len(order)), "cases measured", note))
    return KeyFigures(figures)


def _charts(evaluation: Evaluation) -> Iterator[Block]:
    """A dot per case, a row per structure."""
    if len(evaluation.cases) < 2:
        return
    from crln.report.charts import box_plots  # brings matplotlib, which one case does not need

    names = evaluation.class_names
    for metric in (each for each in evaluation.metrics if each.plotted):
        values = {class_title(names, v): _figures(evaluation, metric, v) for v in names}
        title = metric.title(evaluation.unit)
        caption = f"{title}: a dot per case; {about_boxes(values)}."
        yield Chart(partial(box_plots, values, title), caption, spread(title, values))


def _figures(evaluation: Evaluation, metric: Metric, value: int) -> list[float]:
    return [metric.scale * figure for figure in evaluation.values(metric.key, value).values()]


def _views(
    evaluation: Evaluation, cases: Sequence[str], scans: Mapping[str, Sequence[Path]]
) -> Iterator[Viewer]:
    """Truth and prediction; a case whose files are gone since is passed over."""
    sources = evaluation.sources
    labels = sources.labels or _labels(evaluation)
    for case in cases:
        if case not in sources.files:
            continue
        mask, label = sources.files[case]
        archive = (label.path,) if label.path.suffix == ".h5" else ()
        try:
            yield look_at(
                case, scans.get(case, archive), mask, label, labels, dice_of(evaluation, case),
                largest=evaluation.largest_component,
            )  # fmt: skip
        except CrlnError:
            continue


def _labels(evaluation: Evaluation) -> LabelSpace:
    """What the values mean that were measured, where nobody said so."""
    names, ignore = evaluation.class_names, evaluation.sources.ignore
    background = min([0, *names]) - 1 if 0 in names else 0
    titles = {value: class_title(names, value) for value in names}
    kept = None if ignore in names or ignore == background else ignore
    return LabelSpace.of([background, *names], titles, kept)


def _facts(evaluation: Evaluation) -> dict[str, object]:
    sizes = evaluation.tolerances
    told = ", ".join(dict.fromkeys(f"{size:g} {evaluation.unit}" for size in sizes.values()))
    measured = (
        "the largest component of each class"
        if evaluation.largest_component
        else "masks as they are"
    )
    return {"unit of distances": evaluation.unit, "tolerance of NSD": told, "measured": measured}


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."
