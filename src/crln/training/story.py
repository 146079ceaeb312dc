"""What the page of a run, or of an ensemble, tells: gathered from its folder alone."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from crln.cohort import read_split
from crln.errors import counted
from crln.methods import find_method
from crln.planning import Plan
from crln.report.curves import Curve, Panel
from crln.report.log import NO_LOSSES, read_log
from crln.report.page import KeyFigure
from crln.report.story import Story
from crln.report.style import class_colour
from crln.report.words import loss_title
from crln.runs import RunFolder
from crln.runs.facts import Facts
from crln.runs.folder import FIRST_STAGE, LOG
from crln.training.phases import Phase, phases_of

READING = (
    "A loss falls where its term is learnt; where all scans come in, other terms are added, so "
    "that their sum may rise. The loss on labels should fall throughout."
)
UNKNOWN = (
    "How good it is on scans that it has not seen is not known: there were no validation cases. "
    "Keep some labelled scans for a test (--test) and measure their masks with crln evaluate, or "
    "train an ensemble (--folds 5), whose left-out cases tell it."
)
CHOSEN = (
    "It chose among the states of this training, so it is rather too high for a figure of quality: "
    "a test on cases that were kept apart (crln evaluate) gives that."
)


def story_of(run: RunFolder, step: int | None = None) -> Story:
    """The page of a run.

    Args:
        run: the folder.
        step: those that are done; None: it has come to its end.
    """
    facts, plan = run.facts, run.plan
    total = plan.training.iterations
    phases = phases_of(find_method(facts.method), plan)
    log = read_log(run.log) if run.log.exists() and run.log.stat().st_size else {}
    best, at = _best(log)
    done = total if step is None else step
    return Story(
        title=run.path.resolve().name,
        lead=_lead(facts, plan),
        state="" if step is None else _state(step, total),
        figures=_figures(facts, log, best, done, total),
        quality=[UNKNOWN] if math.isnan(best) else [_validated(facts, best, at), CHOSEN],
        panels=[*_first_panels(run), *_panels(log, phases, total)],
        reading=READING,
        card=card_lists(facts, plan, run.split, log),
        limits=limits_of(facts, plan),
    )


def card_lists(
    facts: Facts, plan: Plan, split: Path, log: Mapping[str, np.ndarray]
) -> dict[str, dict[str, object]]:
    """Data, split, method, budget and hardware, each as names and values."""
    ids = read_split(split)["labelled"] if split.exists() else []
    seconds = _seconds(facts, log)
    return {
        "Data and split": {
            "data": Path(facts.data).name or "not noted",
            "labelled": _cases(facts.labelled, ids),
            "unlabelled": facts.unlabelled,
            "validation": facts.validation,
            "test, kept apart": facts.test,
            "structures": ", ".join(plan.labels.names[1:]),
            "channels": ", ".join(plan.channels),
        },
        "Method": {
            "method": facts.method,
            "network": f"{plan.network.kind}, {_count(facts.parameters)}",
            "patch": f"{' x '.join(map(str, plan.patch_size))} voxels",
            "voxels": f"{_sizes(plan.spacing)} mm" if plan.spacing else "as scanned",
            "intensities": ", ".join(each.scheme for each in plan.intensity),
            "seed": facts.seed,
            "begun from": _begun_from(facts),
        },
        "Budget and hardware": {
            "steps": f"{plan.training.iterations:,}",
            "patches a step": f"{plan.training.labelled} labelled, {plan.training.unlabelled} more",
            "time in steps": str(timedelta(seconds=round(seconds))) if seconds else "not known yet",
            "memory": f"{facts.peak_memory_gib:.2f} GiB" if facts.peak_memory_gib else "not known",
            "device": facts.device,
            "precision": f"{facts.precision} bits" if facts.precision != "bf16" else "bf16",
            "processes": facts.processes,
            "software": f"crln {facts.crln}, torch {facts.torch}, Python {facts.python}",
            "started": facts.started.replace("T", " "),
        },
    }


def limits_of(facts: Facts, plan: Plan) -> list[str]:
    """What a model of this data cannot be trusted with, as far as the data tells."""
    limits = [
        f"It knows {', '.join(plan.labels.names[1:])} and nothing else: whatever else is in a scan "
        "is background to it.",
        f"It has learnt from {facts.labelled} outlines. What they do not show, such as other "
        "scanners, ages or diseases, it has not learnt.",
    ]
    if facts.seen:
        low, high = facts.seen.low.spacing, facts.seen.high.spacing
        limits.append(
            f"Its scans had voxels of {_sizes(low)} to {_sizes(high)} mm; others are told when "
            "they are outlined."
        )
    limits.append("It is no medical device. A person has to look at what it outlines.")
    return limits


def _best(log: Mapping[str, np.ndarray]) -> tuple[float, int]:
    """The best validation score and its step; NaN where none was."""
    scores = log.get("validation", np.zeros(0))
    if not np.isfinite(scores).any():
        return math.nan, 0
    place = int(np.nanargmax(scores))
    return float(scores[place]), int(log["step"][place])


def _lead(facts: Facts, plan: Plan) -> str:
    names = plan.labels.names[1:]
    what = ", ".join(names) if len(names) < 5 else f"{len(names)} structures"
    scans = counted(facts.labelled, "labelled scan")
    if facts.unlabelled:
        scans += f" and {counted(facts.unlabelled, 'scan')} without labels"
    return f"A model that outlines {what}. It learns from {scans}."


def _state(step: int, total: int) -> str:
    return (
        f"{step:,} of {total:,} steps are done. While it trains, this page is written again every "
        "few minutes; where it was stopped, the same command with --resume goes on."
    )


def _figures(
    facts: Facts, log: Mapping[str, np.ndarray], best: float, done: int, total: int
) -> list[KeyFigure]:
    seconds = _seconds(facts, log)
    steps = f"{done:,}" if done == total else f"{done:,} of {total:,}"
    score = (
        KeyFigure("not measured", "Dice", "no validation cases")
        if math.isnan(best)
        else KeyFigure(
            f"{100 * best:.1f} %", "Dice", f"best on {counted(facts.validation, 'validation case')}"
        )
    )
    return [
        score,
        KeyFigure(f"{facts.labelled} + {facts.unlabelled}", "scans", "labelled + unlabelled"),
        KeyFigure(steps, "steps", _took(seconds)),
    ]


def _took(seconds: float) -> str:
    return f"in {timedelta(seconds=round(seconds))}" if seconds else ""


def _seconds(facts: Facts, log: Mapping[str, np.ndarray]) -> float:
    """Spent in steps; of a training that is going on, what its log tells."""
    if facts.seconds:
        return facts.seconds
    if "seconds" not in log:
        return 0.0
    known = np.isfinite(log["seconds"])
    taken = np.diff(log["step"][known], prepend=0.0)
    return float((taken * log["seconds"][known]).sum())


def _validated(facts: Facts, best: float, at: int) -> str:
    return (
        f"On {counted(facts.validation, 'validation case')}, never learnt from, the mean Dice was "
        f"{100 * best:.1f} % after step {at:,}, the best of all that were tried."
    )


def _panels(log: Mapping[str, np.ndarray], phases: Sequence[Phase], total: int) -> list[Panel]:
    if not log:
        return []
    shades = [(phase.name, phase.last) for phase in phases]
    terms = [name for name in log if name not in NO_LOSSES] or ["total"]
    losses = [
        Curve(loss_title(name), class_colour(i), log["step"], log[name])
        for i, name in enumerate(terms)
    ]
    panels = [Panel("Loss, each term", losses, shades, total)]
    if np.isfinite(scores := log.get("validation", np.zeros(0))).any():
        curve = Curve("mean over cases", class_colour(0), log["step"], 100 * scores)
        panels.append(Panel("Dice on validation cases, %", [curve], shades, total, from_zero=False))
    return panels


def _first_panels(run: RunFolder) -> list[Panel]:
    """The loss of a first stage, where there was one."""
    path = run.path / FIRST_STAGE / LOG
    log = read_log(path) if path.exists() and path.stat().st_size else {}
    if "total" not in log:
        return []
    task, last = run.plan.pretrain.task, int(log["step"][-1])
    curve = Curve(task, class_colour(0), log["step"], log["total"])
    return [Panel("First stage, loss", [curve], [(f"first stage: {task}", last)], last)]


def _begun_from(facts: Facts) -> str:
    """The run, or the first stage, that the first weights are of."""
    if facts.start_from:
        return Path(facts.start_from).name
    if facts.first_stage is None:
        return "random weights"
    stage = facts.first_stage
    took = timedelta(seconds=round(stage.seconds))
    scans = counted(stage.scans, "scan")
    return (
        f"a first stage, {stage.task}: {stage.steps:,} steps on {scans} without labels, in {took}"
    )


def _cases(count: int, ids: Sequence[str]) -> str:
    """How many, and where they are few, which."""
    return f"{count}: {', '.join(ids)}" if 0 < len(ids) <= 12 else str(count)


def _count(parameters: int | None) -> str:
    return f"{parameters / 1e6:.3g} million weights" if parameters else "weights not counted yet"


def _sizes(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.3g}" for size in sizes)
