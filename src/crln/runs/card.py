"""The page that goes with a model: what it outlines, how it was learnt, how good it is."""

from collections.abc import Iterable, Sequence

from crln._version import __version__
from crln.evaluation import Evaluation
from crln.evaluation.tables import evaluation_table
from crln.notebook import times
from crln.runs.folder import RunFolder

CARD = "model-card.md"

_CARD = """# Model card

Outlines {structures} in 3D scans. It was made with crln {version}, which outlines with it:

    crln predict THIS-FOLDER SCANS --out MASKS

## Structures

{classes}

## Scans

{scans}

## How it was learnt

{learnt}

## How good it is

{quality}

## Limits

- It has seen scans of the kind above alone. Of another scanner, protocol, disease or age, outlines
  may be wrong; prediction names scans that are far from those that were learnt from.
- Its outlines are to be looked at by somebody who can tell a wrong one. It is no medical device.
- This folder names no path, person or case. What trained weights may give away of the scans that
  they were learnt from is for the owner of these to judge.

## Intended use

To be filled in by whoever hands it on: for whom, for which scans and which purpose; whose scans it
was learnt from, with which consent and licence; whom to ask.
"""


def model_card(runs: Sequence[RunFolder], measured: Evaluation | None) -> str:
    """The card of a run, or of the members of an ensemble, as Markdown.

    Args:
        runs: that predict together.
        measured: labelled cases, by members that never saw them; None: not known.
    """
    plan = runs[0].plan
    structures = plan.labels.structures
    return _CARD.format(
        structures=", ".join(structures.values()),
        version=__version__,
        classes=_table(("value", "structure"), structures.items()),
        scans=_table(("", "in training"), _scans(runs[0])),
        learnt=_table(("", ""), _learnt(runs)),
        quality=_quality(runs, measured),
    )


def _table(head: tuple[str, str], rows: Iterable[tuple[object, object]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {one} | {other} |" for one, other in lines)


def _scans(run: RunFolder) -> list[tuple[str, str]]:
    plan, seen = run.plan, run.facts.seen
    rows = [
        ("channels", ", ".join(plan.channels)),
        ("outlined at", f"{times(plan.spacing)} mm" if plan.spacing else "each scan's own grid"),
    ]
    if seen:
        rows += [
            ("voxels", f"{times(seen.low.spacing)} mm to {times(seen.high.spacing)} mm"),
            ("extent", f"{times(seen.low.extent)} mm to {times(seen.high.extent)} mm"),
        ]
    return rows


def _learnt(runs: Sequence[RunFolder]) -> list[tuple[str, object]]:
    plan, facts = runs[0].plan, runs[0].facts
    seconds = sum(run.facts.seconds or 0 for run in runs)
    kept = f"{facts.validation} for validation, {facts.test} for a test"
    several = [("trainings that outline together", len(runs))] if len(runs) > 1 else []
    return [
        ("method", facts.method),
        *several,
        ("scans with a label", facts.labelled),
        ("scans without", facts.unlabelled),
        ("scans kept out", kept),
        ("steps", plan.training.iterations),
        ("network", f"{plan.network.kind}, {facts.parameters or 0:,} parameters"),
        ("hours", f"{seconds / 3600:.2g} on {facts.device or 'an unknown device'}"),
        ("versions", f"crln {facts.crln}, torch {facts.torch}"),
    ]


def _quality(runs: Sequence[RunFolder], measured: Evaluation | None) -> str:
    if measured:
        table = evaluation_table(measured).to_markdown()
        count = len(measured.cases)
        return f"Of {count} labelled scans, each outlined by members that never saw it:\n\n{table}"
    chosen = [run.facts.chosen for run in runs if (run.facts.chosen or "").startswith("valid")]
    if chosen:
        told = "; ".join(f"{each}" for each in chosen if each)
        return f"Of the scans that chose its weights, {told} (rather too high for others)."
    return "Not measured. Fill in what `crln evaluate` says of scans that it never saw."
