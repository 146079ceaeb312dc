"""Predictions against labels: the metrics of every case and class, and their summary."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from crln.cohort import Label
from crln.errors import CrlnError, needs
from crln.evaluation.exclusive import Classes, measure_exclusive
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
from crln.labels import LabelSpace


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
    names: Mapping[int, str] = {},
    scans: Mapping[str, Path] = {},
) -> list[Evaluation]:
    """An evaluation for each entry of `components`; every file is read once.

    Of a cohort, `names` is what it calls the values that are found, where `classes` is None, and
    `scans` are its cases'.
    """
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
    found, called = measure_exclusive(labelled, classes, how, components, ignore, names, scans)
    return _assembled(how, components, found, called, sources)


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
