"""The whole way on a cohort that the package makes: learn, outline, measure, show."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crln.cohort import Case, Cohort, load_cohort, make_phantom
from crln.errors import CrlnError
from crln.evaluation import Evaluation, ResultTable, TableCell, evaluate_pairs
from crln.evaluation.tables import Column, evaluation_table
from crln.files import write_text
from crln.imaging import output_suffix, read_image, read_label, write_mask
from crln.inference import load_predictor
from crln.planning import Plan, make_plan
from crln.report import (
    Chart,
    FactList,
    KeyFigure,
    KeyFigures,
    PageSection,
    Picture,
    learning_curves,
    save_picture,
    slice_picture,
    write_report,
)
from crln.runs import RunFolder
from crln.training import train

METHODS = ("crln", "supervised")
LABELLED, UNLABELLED, TEST = 4, 12, 4
PAGE, MARK = "index.html", "plan.yaml"


@dataclass(frozen=True)
class Outcome:
    """What one method made of the cohort.

    Attributes:
        run: its model folder.
        masks: test case id to predicted mask.
        evaluation: of those masks.
    """

    run: RunFolder
    masks: Mapping[str, Path]
    evaluation: Evaluation


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    iterations: int | None = None,
    changes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    say: Callable[[str], object] = print,
) -> Path:
    """Makes a phantom cohort, learns it with CRLN and with its labels alone, and shows both.

    Leaves in `out`: `cohort/`, `runs/`, `masks/`, `metrics/`, `pictures/` and the page.

    Args:
        out: the folder to make.
        seed: of the cohort and of the trainings.
        iterations: steps of each training; default the preset's.
        changes: other changes of the preset's plan.
        overwrite: replace the demo that is in `out`.
        say: told what happens, a line at a time.

    Returns:
        The HTML page.

    Raises:
        CrlnError: `out` exists and is not to be overwritten, or cannot be written.
    """
    began = time.perf_counter()
    out = Path(out)
    _make_room(out, overwrite)
    say(f"{LABELLED} labelled, {UNLABELLED} unlabelled and {TEST} test scans in {out / 'cohort'}")
    cohort = load_cohort(
        make_phantom(out / "cohort", labelled=LABELLED, unlabelled=UNLABELLED, test=TEST, seed=seed)
    )
    plan = make_plan(cohort, preset="phantom", changes=dict(changes or {}))
    if iterations is not None:
        plan = plan.updated({"training": {"iterations": iterations}})
    write_text(out / MARK, plan.to_yaml())
    outcomes = {}
    for method in METHODS:
        say(f"{method}: {plan.training.iterations} steps")
        outcomes[method] = _learn_and_measure(cohort, plan, out, method, seed)
    pictures = [
        Picture(_case_picture(case, outcomes, out / "pictures"), case.id) for case in cohort.test
    ]
    seconds = time.perf_counter() - began
    return _write_page(out / PAGE, outcomes, pictures, seconds)


def _make_room(out: Path, overwrite: bool) -> None:
    """Makes the folder; removes the demo that is in it, and nothing else."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise CrlnError(f"{out}: exists; give another --out, or --overwrite")
        if not (out / MARK).exists() or not (out / "cohort").is_dir():
            raise CrlnError(f"{out}: holds no demo, so it is not overwritten; give another --out")
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("masks", "metrics", "pictures", "runs"):
            (out / name).mkdir()
    except OSError as error:
        raise CrlnError(f"{out}: cannot be made ({error.strerror}); give another --out") from error


def _learn_and_measure(cohort: Cohort, plan: Plan, out: Path, method: str, seed: int) -> Outcome:
    """Trains, outlines the test scans, and only then opens their labels."""
    run = train(cohort, plan, out / "runs" / method, method=method, seed=seed)
    predictor = load_predictor(run.path)
    folder = out / "masks" / method
    folder.mkdir()
    masks = {}
    for case in cohort.test:
        scan = case.images[0]
        masks[case.id] = folder / f"{case.id}{output_suffix(scan)}"
        write_mask(masks[case.id], predictor.predict(case.images).mask, scan)
    pairs = {case.id: (masks[case.id], case.label.path) for case in cohort.test if case.label}
    evaluation = evaluate_pairs(pairs, classes=plan.labels.structures, ignore=plan.labels.ignore)
    evaluation.save(out / "metrics" / method)
    return Outcome(run, masks, evaluation)


def _case_picture(case: Case, outcomes: Mapping[str, Outcome], folder: Path) -> Any:
    """Slices of a test scan with the outlines of truth and of each method, saved as PNG too."""
    assert case.label is not None
    predictions = {
        f"{method}, Dice {o.evaluation.values('dice')[case.id]:.2f}": read_label(
            o.masks[case.id]
        ).array[0]
        for method, o in outcomes.items()
    }
    figure = slice_picture(
        read_image(case.images), read_label(case.label.path).array[0], predictions
    )
    save_picture(figure, folder / f"{case.id}.png")
    return figure


def _write_page(
    path: Path, outcomes: Mapping[str, Outcome], pictures: list[Picture], seconds: float
) -> Path:
    """The page that shows it all."""
    dice = {m: o.evaluation.summarised("dice") for m, o in outcomes.items()}
    ahead = 100 * (dice["crln"].mean - dice["supervised"].mean)
    run = outcomes["crln"].run
    steps = run.plan.training.iterations
    figures = [
        KeyFigure(f"{100 * dice['crln'].mean:.1f} %", "Dice of CRLN", "labelled and unlabelled"),
        KeyFigure(
            f"{100 * dice['supervised'].mean:.1f} %",
            "Dice of the baseline",
            "the same labels alone",
        ),
        KeyFigure(f"{ahead:+.1f} points", "gained from scans without a label"),
        KeyFigure(f"{seconds / 60:.1f} min", "for everything", run.facts.device),
    ]
    evaluations = {method: outcome.evaluation for method, outcome in outcomes.items()}
    caption = f"{TEST} test scans, mean over the structures."
    logs = {method: outcome.run.log for method, outcome in outcomes.items()}
    sections = [
        PageSection("Result", [
            KeyFigures(figures),
            _table(evaluations, caption),
        ]),
        PageSection("Test scans", pictures),
        PageSection("Training", [
            Chart(learning_curves(logs), "Loss terms of both trainings."),
            FactList({
                "steps": steps,
                "seconds a step": ", ".join(
                    f"{method} {(outcome.run.facts.seconds or 0) / steps:.2f}"
                    for method, outcome in outcomes.items()
                ),
                "commit": run.facts.commit, "torch": run.facts.torch,
                "device": run.facts.device, "threads": run.facts.threads,
            }),
        ]),
    ]  # fmt: skip
    lead = (
        f"A phantom cohort: {LABELLED} scans with labels, {UNLABELLED} without. CRLN learns from "
        f"both, the baseline from the labels alone, {steps} steps each."
    )
    return write_report(path, "CRLN on a phantom cohort", sections, lead=lead)


def _table(evaluations: Mapping[str, Evaluation], caption: str) -> ResultTable:
    """The mean over classes of each method."""
    tables = {method: evaluation_table(found) for method, found in evaluations.items()}
    columns = next(iter(tables.values())).columns
    rows = [{**table.rows[-1], "class": TableCell(method)} for method, table in tables.items()]
    return ResultTable({**columns, "class": Column("Method", text=True)}, rows, caption)
