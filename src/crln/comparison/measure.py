"""The test masks of cells and of outside tools against the test labels; opened only here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crln.cohort import Case, mask_as_label
from crln.cohort.nnunet import NNUNET_NOTES, VALUES
from crln.comparison.cell import Cell
from crln.comparison.rows import Cost, Measured
from crln.errors import CrlnError
from crln.evaluation import (
    Evaluation,
    evaluate_both,
    find_masks,
    read_evaluation,
)
from crln.evaluation.metrics import Measuring, measured_metrics
from crln.files import checked, checksum, read_json
from crln.imaging import read_label, write_mask
from crln.labels import LabelSpace
from crln.planning import Plan

_LAST, _LARGEST = "metrics", "metrics-largest-component"


def measure_cell(
    cell: Cell, test: Sequence[Case], how: Measuring, say: Callable[[str], object] = print
) -> Measured:
    """Of the masks of a finished cell; kept in its folder, and read from there the next time.

    Masks and labels are known by their content: where one has changed, the cell is measured anew.

    Args:
        cell: that is done.
        test: its test cases.
        how: to measure.
        say: told what has changed since it was measured.

    Raises:
        CrlnError: only the figures of the cell are kept, and they are of another comparison.
    """
    run = cell.open()
    bare = cell.figures_only(run)
    masks = {} if bare else {case.id: cell.mask(case) for case in test}
    kept = _kept(cell, test, how)
    if bare and not (kept and run and run.plan == cell.plan):
        raise CrlnError(
            f"{cell.folder}: its weights and masks are gone, and its figures are of other "
            f"test cases, another plan or not in {how.unit}; remove the folder to train it anew"
        )
    changed = _changed(kept[0], masks, test, cell.plan.labels) if kept else []
    if bare and changed:
        raise CrlnError(
            f"{cell.folder}: {changed[0]} since it was measured, and its masks are gone; remove "
            "the folder to train it anew"
        )
    if kept and not changed and (bare or _up_to_date(kept[0], how)):
        return Measured(masks, *kept, run)
    for change in changed:
        say(f"{cell.name}: {change} since it was measured; measured anew")
    measured = _measure(masks, test, cell.plan, how)
    measured.last.save(cell.folder / _LAST, overwrite=True)
    measured.largest.save(cell.folder / _LARGEST, overwrite=True)
    return replace(measured, run=run)


def measure_outside(
    predictions: Path, test: Sequence[Case], plan: Plan, how: Measuring, folder: Path
) -> Measured:
    """Of any tool's masks, named after their cases; others in the folder are left alone.

    Masks of nnU-Net that learnt an exported data set are mapped back to the label files' values.

    Args:
        predictions: the folder of masks.
        test: the cases to measure.
        plan: names the classes.
        how: to measure.
        folder: for the metrics, and for masks that had to be mapped.

    Raises:
        CrlnError: a test case has no mask, or a mask lies on another grid than its label.
    """
    if plan.labels.separate:
        raise CrlnError(
            f"{predictions}: masks of other tools cannot be compared where structures overlap and "
            "have a file each; measure them with crln evaluate"
        )
    found = find_masks(predictions)
    missing = [case.id for case in test if case.id not in found]
    if missing:
        raise CrlnError(
            f"{predictions}: no mask for {len(missing)} of {len(test)} test cases, the first "
            f"{missing[0]!r}; predict all of them and name each mask after its case"
        )
    masks = {case.id: found[case.id] for case in test}
    labels = _nnunet_labels(predictions)
    if labels and labels.values != tuple(range(labels.classes)):
        masks = {case: _mapped(path, labels, folder / "masks") for case, path in masks.items()}
    measured = _measure(masks, test, plan, how)
    folder.mkdir(parents=True, exist_ok=True)
    measured.last.save(folder / _LAST, overwrite=True)
    measured.largest.save(folder / _LARGEST, overwrite=True)
    return measured


def cost_of(measured: Sequence[Measured]) -> Cost | None:
    """What the trainings of one row took, as their run folders tell."""
    runs = [found.run for found in measured if found.run]
    if not runs:
        return None
    facts, steps = [run.facts for run in runs], runs[0].plan.training.iterations
    first = [fact.first_stage for fact in facts if fact.first_stage]
    seconds = sum(fact.seconds or 0 for fact in facts) + sum(stage.seconds for stage in first)
    return Cost(
        seconds_per_step=seconds / (steps * len(facts) + sum(stage.steps for stage in first)),
        peak_memory_gib=max(fact.peak_memory_gib or 0 for fact in facts),
        parameters=facts[0].parameters or 0,
    )


def _measure(
    masks: Mapping[str, Path], test: Sequence[Case], plan: Plan, how: Measuring
) -> Measured:
    pairs = {
        case.id: (mask_as_label(masks[case.id], plan.labels), case.label)
        for case in test
        if case.label
    }
    last, largest = evaluate_both(pairs, unit=how.unit, fine=how.fine, classes=plan.labels)
    return Measured(masks, last, largest)


def _kept(cell: Cell, test: Sequence[Case], how: Measuring) -> tuple[Evaluation, Evaluation] | None:
    """What was measured before, of the same cases in the same unit."""
    paths = [cell.folder / f"{name}.json" for name in (_LAST, _LARGEST)]
    if not all(path.exists() for path in paths):
        return None
    last, largest = (read_evaluation(path) for path in paths)
    cases = {case.id for case in test}
    same = all(found.unit == how.unit and set(found.cases) == cases for found in (last, largest))
    return (last, largest) if same else None


def _up_to_date(kept: Evaluation, how: Measuring) -> bool:
    """Whether it was measured by this version: each metric, of files known by their content."""
    asked = set(measured_metrics(fine=how.fine))
    return asked <= set(kept.metrics) and set(kept.read) == set(kept.cases)


def _changed(
    kept: Evaluation, masks: Mapping[str, Path], test: Sequence[Case], labels: LabelSpace
) -> list[str]:
    """Which masks and labels are not those that were measured."""
    changed = []
    for case in test:
        if case.id not in kept.read or not case.label:
            continue  # of a version that did not remember
        mask = masks.get(case.id)
        files = mask_as_label(mask, labels).files if mask else ()
        for what, paths, before in zip(
            ("mask", "label"), (files, case.label.files), kept.read[case.id],
            strict=True,
        ):  # fmt: skip
            if paths and " ".join(map(checksum, paths)) != before:
                changed.append(f"the {what} of {case.id} has changed")
    return changed


def _nnunet_labels(predictions: Path) -> LabelSpace | None:
    """What nnU-Net's copy of the data set's notes says of our label values, if it is there."""
    notes = predictions / NNUNET_NOTES
    if not notes.is_file():
        return None
    remedy = "restore or remove it"
    content = checked(read_json(notes, remedy), dict[str, Any], notes, remedy)
    values = checked(content.get(VALUES, {}), dict[int, int], notes, remedy)
    if not values:
        return None
    if sorted(values) != list(range(len(values))):
        raise CrlnError(f"{notes}: {VALUES}: classes are not 0, 1, 2, ...; {remedy}")
    return LabelSpace.of([values[k] for k in sorted(values)], {})


def _mapped(path: Path, labels: LabelSpace, folder: Path) -> Path:
    classes = read_label(path).array[0]
    if not 0 <= classes.min() <= classes.max() < labels.classes:
        raise CrlnError(
            f"{path}: holds the class {classes.max()}, of {labels.classes} that nnU-Net learnt; "
            "predict it again"
        )
    write_mask(folder / path.name, labels.decode(classes), path, overwrite=True)
    return folder / path.name
