"""The page of an ensemble: its members' curves, and what the left-out cases tell."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from crln.evaluation.tables import Column, ResultTable, TableCell
from crln.methods import find_method
from crln.quality import Quality
from crln.quality.estimate import CohortEstimate
from crln.report.card import Card
from crln.report.curves import Curve, Panel
from crln.report.log import read_log
from crln.report.page import KeyFigure
from crln.report.story import Story, write_story
from crln.report.style import class_colour
from crln.runs import EnsembleFolder, RunFolder
from crln.training.phases import phases_of
from crln.training.story import card_lists, limits_of

WHAT = (
    "Each labelled case was outlined by the members that never saw it. That estimates how good the "
    "outlines of new scans of the same kind are. It is rather too low: each member has learnt from "
    "fewer labels than there are, and all members together outline better than one."
)
NONE = (
    "How good it is on scans that it has not seen is not known: no labelled case was left out. "
    "Train with --folds 2 or more, or measure the masks of scans that were kept apart (crln "
    "evaluate)."
)
NOT_YET = "The left-out cases have not been measured yet: crln train does so, or crln.out_of_fold."
READING = "Each member learns from another part of the labels, with another seed."


def write_ensemble_page(
    ensemble: EnsembleFolder, examples: Sequence[Card] | None = None, intended: str = ""
) -> None:
    """Writes `index.html` of an ensemble; arguments as for `write_story`."""
    write_story(ensemble.path, ensemble_story(ensemble), examples, intended)


def ensemble_story(ensemble: EnsembleFolder) -> Story:
    """What its page tells."""
    runs = {m.folder: ensemble.run(m) for m in ensemble.members if ensemble.done(m.folder)}
    quality = ensemble.quality
    estimate = quality.estimate if quality else ()
    return Story(
        title=ensemble.path.resolve().name,
        lead=_lead(ensemble),
        state="" if ensemble.finished else "Not every member has finished: go on with --resume.",
        figures=_figures(ensemble, runs, estimate),
        quality=_told(ensemble, estimate),
        estimate=_table(estimate) if estimate else None,
        look=_look(quality),
        panels=_panels(ensemble, runs),
        reading=READING,
        members={name: _member(ensemble, name, run) for name, run in runs.items()},
        card=_card(ensemble, runs),
        limits=_limits(ensemble, runs),
    )


def _lead(ensemble: EnsembleFolder) -> str:
    names = ensemble.plan.labels.names[1:]
    what = ", ".join(names) if len(names) < 5 else f"{len(names)} structures"
    count = len(ensemble.members)
    return f"An ensemble of {count} models that outline {what}. Its outline is that of their mean."


def _figures(
    ensemble: EnsembleFolder, runs: Mapping[str, RunFolder], estimate: Sequence[CohortEstimate]
) -> list[KeyFigure]:
    dice = [each for each in estimate if each.metric == "dice"]
    score = KeyFigure("not measured", "estimated Dice")
    if dice:
        mean = dice[-1]  # over structures, where there are several
        score = KeyFigure(
            _share(mean.mean), "estimated Dice", _between(mean) or f"{mean.cases} cases"
        )
    seconds = sum(run.facts.seconds or 0 for run in runs.values())
    return [
        score,
        KeyFigure(str(len(ensemble.members)), "members", f"{ensemble.folds} folds"),
        KeyFigure(
            f"{ensemble.plan.training.iterations:,}", "steps each",
            f"in {timedelta(seconds=round(seconds))} together",
        ),
    ]  # fmt: skip


def _told(ensemble: EnsembleFolder, estimate: Sequence[CohortEstimate]) -> list[str]:
    if ensemble.folds < 2:
        return [NONE]
    return [WHAT] if estimate else [NOT_YET]


def _table(estimate: Sequence[CohortEstimate]) -> ResultTable:
    """A row a structure, a column a metric; the interval below."""
    unit = next((each.unit for each in estimate if each.metric != "dice"), "mm")
    columns = {
        "structure": Column("structure", text=True),
        "dice": Column("Dice, %"),
        "asd": Column(f"surface distance, {unit}"),
    }
    rows: dict[str, dict[str, TableCell]] = {}
    for each in estimate:
        row = rows.setdefault(each.structure, {"structure": TableCell(each.structure)})
        value = f"{100 * each.mean:.1f}" if each.metric == "dice" else f"{each.mean:.2f}"
        row[each.metric] = TableCell(value, tuple(filter(None, [_between(each)])))
    cases = max(each.cases for each in estimate)
    caption = (
        f"mean over {cases} left-out cases; below, the 95 % interval of the mean (Student's t)"
    )
    if all(each.low is None for each in estimate):
        caption = f"mean over {cases} left-out cases, too few for an interval"
    return ResultTable(columns, list(rows.values()), caption)


def _between(each: CohortEstimate) -> str:
    if each.low is None or each.high is None:
        return ""
    if each.metric == "dice":
        return f"{100 * each.low:.1f} to {100 * each.high:.1f}"
    return f"{each.low:.2f} to {each.high:.2f}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _look(quality: Quality | None) -> list[str]:
    if quality is None:
        return []
    return [f"{case}: {'; '.join(words)}" for case, words in quality.labels.items()]


def _panels(ensemble: EnsembleFolder, runs: Mapping[str, RunFolder]) -> list[Panel]:
    logs = {name: read_log(run.log) for name, run in runs.items() if run.log.exists()}
    total = ensemble.plan.training.iterations
    phases = phases_of(find_method(ensemble.method), ensemble.plan)
    shades = [(phase.name, phase.last) for phase in phases]
    taught: list[Curve] = []
    scores: list[Curve] = []
    for i, (name, log) in enumerate(logs.items()):
        hue, steps = class_colour(i), log["step"]
        taught.append(Curve(name, hue, steps, log.get("supervised", log["total"])))
        if np.isfinite(score := log.get("validation", np.zeros(0))).any():
            scores.append(Curve(name, hue, steps, 100 * score))
    panels = [Panel("Loss on labels", taught, shades, total)] if taught else []
    if scores:
        title = "Dice on validation cases, %"
        panels.append(Panel(title, scores, shades, total, from_zero=False))
    return panels


def _member(ensemble: EnsembleFolder, name: str, run: RunFolder) -> str:
    left = next(member.left_out for member in ensemble.members if member.folder == name)
    without = f", without {', '.join(left)}" if 0 < len(left) <= 8 else ""
    without = without or (f", without {len(left)} of them" if left else "")
    return f"{run.facts.labelled} labelled cases{without}"


def _card(
    ensemble: EnsembleFolder, runs: Mapping[str, RunFolder]
) -> Mapping[str, Mapping[str, object]]:
    """That of a member, of all of them together."""
    if not runs:
        return {}
    first = next(iter(runs.values())).facts
    left = {case for member in ensemble.members for case in member.left_out}
    apart = len(ensemble.members[0].left_out)
    facts = first.updated(
        labelled=first.labelled + apart, test=first.test - apart,
        seconds=sum(run.facts.seconds or 0 for run in runs.values()),
    )  # fmt: skip
    card = card_lists(facts, ensemble.plan, ensemble.split, {})
    told = {"members": len(ensemble.members), "left out once": len(left)}
    return {title: {**(told if title == "Method" else {}), **rows} for title, rows in card.items()}


def _limits(ensemble: EnsembleFolder, runs: Mapping[str, RunFolder]) -> list[str]:
    facts = [run.facts for run in runs.values()]
    return limits_of(facts[0], ensemble.plan) if facts else []
