"""The test masks of cells and of outside tools against the test labels; opened only here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crln.cohort import Case
from crln.cohort.nnunet import NNUNET_NOTES, VALUES
from crln.comparison.cell import Cell
from crln.comparison.rows import Cost, Measured
from crln.errors import CrlnError
from crln.evaluation import Evaluation, Unit, evaluate_pairs, find_masks, read_evaluation
from crln.files import checked, read_json
from crln.imaging import read_label, write_mask
from crln.planning import Plan

_LAST, _LARGEST = "metrics", "metrics-largest-component"


def measure_cell(cell: Cell, test: Sequence[Case], unit: Unit) -> Measured:
    """Of the masks of a finished cell; kept in its folder, and read from there the next time.

    Raises:
        CrlnError: only the figures of the cell are kept, and they are of another comparison.
    """
    masks = {} if cell.figures_only else {case.id: cell.mask(case) for case in test}
    cases = {case.id for case in test}
    kept = [_kept(cell.folder / f"{name}.json", cases, masks, unit) for name in (_LAST, _LARGEST)]
    if cell.figures_only and not (kept[0] and kept[1] and cell.run and cell.run.plan == cell.plan):
        raise CrlnError(
            f"{cell.folder}: its weights and masks are gone, and its figures are of other "
            f"test cases, another plan or not in {unit}; remove the folder to train it anew"
        )
    if kept[0] and kept[1]:
        return Measured(masks, kept[0], kept[1])
    measured = _measure(masks, test, cell.plan, unit)
    measured.last.save(cell.folder / _LAST, overwrite=True)
    measured.largest.save(cell.folder / _LARGEST, overwrite=True)
    return measured


def measure_outside(
    predictions: Path, test: Sequence[Case], plan: Plan, unit: Unit, folder: Path
) -> Measured:
    """Of any tool's masks, named after their cases; others in the folder are left alone.

    Masks of nnU-Net that learnt an exported data set are mapped back to the label files' values.

    Args:
        predictions: the folder of masks.
        test: the cases to measure.
        plan: names the classes.
        unit: of distances.
        folder: for the metrics, and for masks that had to be mapped.

    Raises:
        CrlnError: a test case has no mask, or a mask lies on another grid than its label.
    """
    found = find_masks(predictions)
    missing = [case.id for case in test if case.id not in found]
    if missing:
        raise CrlnError(
            f"{predictions}: no mask for {len(missing)} of {len(test)} test cases, the first "
            f"{missing[0]!r}; predict all of them and name each mask after its case"
        )
    masks = {case.id: found[case.id] for case in test}
    values = _class_values(predictions)
    if any(k != value for k, value in values.items()):
        masks = {case: _mapped(path, values, folder / "masks") for case, path in masks.items()}
    measured = _measure(masks, test, plan, unit)
    folder.mkdir(parents=True, exist_ok=True)
    measured.last.save(folder / _LAST, overwrite=True)
    measured.largest.save(folder / _LARGEST, overwrite=True)
    return measured


def cost_of(cells: Sequence[Cell]) -> Cost:
    """What the trainings of one row took, as their model folders tell."""
    facts = [cell.run.facts for cell in cells if cell.run]
    steps = cells[0].plan.training.iterations
    return Cost(
        seconds_per_step=float(np.mean([fact["seconds"] for fact in facts])) / steps,
        peak_memory_gib=max(fact["peak_memory_gib"] for fact in facts),
        parameters=facts[0]["parameters"],
    )


def _measure(masks: Mapping[str, Path], test: Sequence[Case], plan: Plan, unit: Unit) -> Measured:
    pairs = {case.id: (masks[case.id], case.label.path) for case in test if case.label}
    classes = plan.labels.structures
    last, largest = (
        evaluate_pairs(pairs, unit=unit, classes=classes, largest_component=component)
        for component in (False, True)
    )
    return Measured(masks, last, largest)


def _kept(path: Path, cases: set[str], masks: Mapping[str, Path], unit: Unit) -> Evaluation | None:
    """What was measured before, unless masks have been written since, or the unit is another."""
    if not path.exists():
        return None
    written = max((mask.stat().st_mtime for mask in masks.values()), default=0)
    evaluation = read_evaluation(path)
    same = evaluation.unit == unit and set(evaluation.cases) == cases
    return evaluation if same and path.stat().st_mtime >= written else None


def _class_values(predictions: Path) -> dict[int, int]:
    """What nnU-Net's copy of the data set's notes says of our label values, if it is there."""
    notes = predictions / NNUNET_NOTES
    if not notes.is_file():
        return {}
    remedy = "restore or remove it"
    content = checked(read_json(notes, remedy), dict[str, Any], notes, remedy)
    return checked(content.get(VALUES, {}), dict[int, int], notes, remedy)


def _mapped(path: Path, values: Mapping[int, int], folder: Path) -> Path:
    mask = read_label(path).array[0]
    mapped = np.zeros_like(mask)
    for k, value in values.items():
        mapped[mask == k] = value
    write_mask(folder / path.name, mapped, path, overwrite=True)
    return folder / path.name
