"""Predictions against labels: the metrics of every case and class, and their summary."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from crln.cohort import Label, read_outline, settle_told
from crln.components import largest_components
from crln.errors import CrlnError, needs
from crln.evaluation.left_out import LeftOut
from crln.evaluation.metrics import (
    TOLERANCE,
    ClassMetrics,
    Measuring,
    Tolerances,
    Unit,
    tolerance_of,
    undefined,
)
from crln.evaluation.overlap import Findings, measure_overlapping
from crln.evaluation.pairing import Pair, find_cohort, pair_masks
from crln.evaluation.results import Evaluation, Measurement, Sources
from crln.evaluation.surfaces import case_metrics
from crln.files import checksum
from crln.imaging import check_same_grid, common_grid, label_names, read_label
from crln.labels import LabelSpace

_MOST_CLASSES = 1000

Classes = Mapping[int, str] | LabelSpace
"""Label value to name, or what a plan calls its labels."""


def evaluate(
    predictions: Path,
    labels: Path,
    *,
    unit: Unit = "mm",
    classes: Classes | None = None,
    largest_component: bool = False,
    cases: Collection[str] | None = None,
    partial: bool = False,
    tolerance: Tolerances = TOLERANCE,
    fine: bool = False,
    ignore: int | None = None,
    sparse: bool = False,
) -> Evaluation:
    """Measures predictions against labels, paired by case id.

    Masks without a label, and labels without a mask, are left out; `Evaluation.left_out` names
    them.

    Args:
        predictions: a folder of masks, or one mask.
        labels: a folder of masks, a folder of h5 case folders, or one mask; or a cohort, whose
            labels may tell of some classes or slices alone.
        unit: distances in millimetres, or in voxels as this field's papers give them.
        classes: label value to name, or a plan's labels; other values count as background. None
            measures the regions or structures of a cohort that says that they overlap, else every
            value but 0 that is found in any of the files, by the cohort's or the files' names.
        largest_component: keep only each predicted class's largest connected component.
        cases: the ids to measure, such as those of the test split; each must have a mask and a
            label. None measures all.
        partial: leave out those of `cases` that have no mask, too, rather than refuse them.
        tolerance: of normalised surface Dice, in `unit`; or label value to it, None
            for the other classes.
        fine: measure thin parts, surfaces and topology too; takes up to seconds a case.
        ignore: the label value that means that nobody knows; its voxels are not measured. A plan's
            labels say it themselves.
        sparse: of every label only the slices that hold anything were outlined, and are measured.

    Raises:
        CrlnError: nothing can be paired, one of `cases` lacks a file, or a file is unreadable or
            on another grid.

    Examples:
        >>> evaluation = crln.evaluate("masks", "data/labels")
        >>> evaluation.summarised("dice").mean
        1.0
    """
    cohort = find_cohort(labels, sparse=sparse)
    names: Mapping[int, str] = {}
    if classes is None and cohort:
        classes, names = cohort.overlapping, cohort.class_names
    separate = classes if isinstance(classes, LabelSpace) and classes.separate else None
    paired = pair_masks(
        predictions, cohort or labels, separate, cases=cases, partial=partial, sparse=sparse
    )
    (found,) = _evaluate(
        paired.pairs, Measuring(unit, tolerance, fine), classes, (largest_component,),
        paired.ignore if ignore is None else ignore, names, paired.scans,
    )  # fmt: skip
    left = replace(
        found.left_out, without_label=paired.without_label, without_mask=paired.without_mask
    )
    return replace(found, left_out=left)


def evaluate_pairs(
    pairs: Mapping[str, Pair],
    *,
    unit: Unit = "mm",
    classes: Classes | None = None,
    largest_component: bool = False,
    tolerance: Tolerances = TOLERANCE,
    fine: bool = False,
    ignore: int | None = None,
) -> Evaluation:
    """As `evaluate`, for files that are already paired: case id to (prediction, label)."""
    how = Measuring(unit, tolerance, fine)
    (found,) = _evaluate(pairs, how, classes, (largest_component,), ignore)
    return found


def evaluate_both(
    pairs: Mapping[str, Pair],
    *,
    unit: Unit = "mm",
    classes: Classes | None = None,
    tolerance: Tolerances = TOLERANCE,
    fine: bool = False,
    ignore: int | None = None,
) -> tuple[Evaluation, Evaluation]:
    """`evaluate_pairs` of the masks as they are, and of their largest components, read once."""
    how = Measuring(unit, tolerance, fine)
    last, largest = _evaluate(pairs, how, classes, (False, True), ignore)
    return last, largest


def _evaluate(
    pairs: Mapping[str, Pair],
    how: Measuring,
    classes: Classes | None,
    components: Sequence[bool],
    ignore: int | None,
    names: Mapping[int, str] | None = None,
    scans: Mapping[str, Path] | None = None,
) -> list[Evaluation]:
    """An evaluation for each entry of `components`; every file is read once.

    Of a cohort, `names` is what it calls the values that are found, where `classes` is None, and
    `scans` are its cases'.
    """
    scans = scans or {}
    if how.unit not in get_args(Unit):
        raise CrlnError(f"unit {how.unit!r}: choose one of {', '.join(get_args(Unit))}")
    if how.fine:
        with needs("fine", "centrelines"):
            import skimage  # noqa: F401
    labelled = {case: (_as_label(mask), _as_label(at)) for case, (mask, at) in pairs.items()}
    sources = Sources(labelled, classes if isinstance(classes, LabelSpace) else None, ignore)
    if isinstance(classes, LabelSpace) and not classes.exclusive:
        found = measure_overlapping(labelled, classes, how, components, scans)
        return _assembled(how, components, found, classes.structures, sources)
    names, background = _named(labelled, classes or names or None), 0
    if isinstance(classes, LabelSpace):
        background, ignore, classes = classes.values[0], classes.ignore, classes.structures
    measured = Findings([{} for _ in components])
    for case, (mask, label) in labelled.items():
        prediction_path = mask.path
        measured.read[case] = checksum(prediction_path), " ".join(map(checksum, label.files))
        prediction, truth, known, spacing, voxel_ml = _read_pair(
            prediction_path, label, ignore, names, scans.get(case)
        )
        truth = _where_known(truth, known, background)
        in_truth = _values(truth, label.path) - {background}
        predicted = _where_known(prediction, known, background)
        in_mask = _values(predicted, prediction_path) - {background}
        wanted = sorted(in_mask | in_truth if classes is None else classes)
        for value in sorted(in_mask.difference(wanted)):
            measured.others_in_masks.setdefault(value, []).append(case)
        if label.classes is not None:
            measured.unsought[case] = set(wanted).difference(label.classes)
            wanted = sorted(set(wanted).intersection(label.classes))
        for value in sorted(in_truth.difference(wanted)):
            measured.others.setdefault(value, []).append(case)
        size = spacing if how.unit == "mm" else None
        for of_case, largest in zip(measured.figures, components, strict=True):
            kept = predicted
            if largest:
                kept = _where_known(largest_components(prediction), known, background)
            of_case[case] = case_metrics(
                kept,
                truth,
                size,
                wanted,
                voxel_ml=voxel_ml,
                tolerance=how.tolerance,
                known=known,
                fine=how.fine,
            )
    if classes is None:
        classes = {
            v: names.get(v, f"class {v}")
            for v in sorted({v for row in measured.figures[0].values() for v in row})
        }
    if not classes:
        (_, first), *_ = labelled.values()
        raise CrlnError(f"{first.path}: no class but 0 in any of the files")
    return _assembled(how, components, measured, classes, sources)


def _as_label(at: Path | Label) -> Label:
    return at if isinstance(at, Label) else Label(at)


def _assembled(
    how: Measuring,
    components: Sequence[bool],
    found: Findings,
    classes: Mapping[int, str],
    sources: Sources,
) -> list[Evaluation]:
    """An evaluation for each entry of `components`."""
    others = {value: tuple(cases) for value, cases in found.others.items()}
    in_masks = {value: tuple(cases) for value, cases in found.others_in_masks.items()}
    return [
        Evaluation(
            unit=how.unit,
            largest_component=largest,
            rows=_rows(of_case, classes, found.unsought, undefined(fine=how.fine)),
            tolerances={value: tolerance_of(how.tolerance, value) for value in classes},
            left_out=LeftOut(values=others, mask_values=in_masks),
            read=found.read,
            sources=sources,
        )
        for of_case, largest in zip(found.figures, components, strict=True)
    ]


def _where_known(mask: np.ndarray, known: np.ndarray | None, background: int) -> np.ndarray:
    """A mask with nothing in it where nobody knows what there is."""
    return mask if known is None else np.where(known, mask, background)


def _rows(
    measured: Mapping[str, Mapping[int, ClassMetrics]],
    classes: Mapping[int, str],
    unsought: Mapping[str, set[int]],
    lacking: ClassMetrics,
) -> tuple[Measurement, ...]:
    """Every class of every case; one that the case does not have is undefined there, `lacking`.

    One that nobody looked for in the case was not measured there, and has no figures.
    """
    return tuple(
        Measurement(case, value, name, metrics.get(value, lacking))
        if value not in unsought.get(case, ())
        else Measurement(case, value, name, ClassMetrics({}))
        for case, metrics in measured.items()
        for value, name in classes.items()
    )


def _named(pairs: Mapping[str, tuple[Label, Label]], classes: Classes | None) -> dict[int, str]:
    """Label value to name, for files that name their classes; of labels before predictions."""
    if classes is not None:
        return classes.named if isinstance(classes, LabelSpace) else dict(classes)
    true = [label_names(label.path) for _, label in pairs.values() if not label.parts]
    predicted = [label_names(mask.path) for mask, _ in pairs.values()]
    return settle_told([*true, *predicted])


def _read_pair(
    prediction_path: Path,
    label: Label,
    ignore: int | None,
    names: Mapping[int, str],
    scan: Path | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[float, float, float], float]:
    """Both masks and where the truth is known, (X, Y, Z); mm and ml of a voxel (NaN if unknown)."""
    like = common_grid([prediction_path, *label.files], scan)
    prediction = read_label(prediction_path, like, names)
    outline = read_outline(label, prediction.grid, names, ignore)
    truth = outline.volume
    check_same_grid(prediction_path, prediction.grid, label.path, truth.grid)
    # An archive knows no voxel size; the other file of the pair may.
    grid = truth.grid if truth.grid.known else prediction.grid
    voxel_ml = math.prod(grid.spacing) / 1000 if grid.known else math.nan
    return prediction.array[0], truth.array[0], outline.known, grid.spacing, voxel_ml


def _values(mask: np.ndarray, path: Path) -> set[int]:
    """The label values but 0 of a mask."""
    low, high = int(mask.min()), int(mask.max())
    if low >= 0 and high < np.iinfo(np.uint16).max:
        values = np.flatnonzero(np.bincount(mask.ravel(), minlength=1))
    else:
        values = np.unique(mask)
    if len(values) > _MOST_CLASSES:
        raise CrlnError(f"{path}: {len(values)} different values: an image, not a mask; give masks")
    return set(values.tolist()) - {0}
