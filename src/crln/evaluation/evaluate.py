"""Predictions against labels: the metrics of every case and class, and their summary."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.evaluation.metrics import ClassMetrics, case_metrics
from crln.evaluation.pairing import pair_masks
from crln.evaluation.results import Evaluation, Row, Unit
from crln.imaging import check_same_grid, read_label
from crln.labels import largest_components

_MOST_CLASSES = 1000


def evaluate(
    predictions: Path,
    labels: Path,
    *,
    unit: Unit = "mm",
    classes: Mapping[int, str] | None = None,
    largest_component: bool = False,
    cases: Collection[str] | None = None,
    partial: bool = False,
) -> Evaluation:
    """Measures predictions against labels, paired by case id.

    Args:
        predictions: a folder of masks, or one mask.
        labels: a folder of masks, a folder of h5 case folders, or one mask.
        unit: distances in millimetres, or in voxels as this field's papers give them.
        classes: label value to name; other values count as background. None measures every value
            but 0 that is found in any of the files.
        largest_component: keep only each predicted class's largest connected component.
        cases: the ids to measure, such as those of the test split; None measures all.
        partial: leave out labels without a prediction rather than refuse them.

    Raises:
        CrlnError: a prediction or a label is missing, unreadable, or on another grid.
    """
    pairs = pair_masks(predictions, labels, cases=cases, partial=partial)
    return evaluate_pairs(pairs, unit=unit, classes=classes, largest_component=largest_component)


def evaluate_pairs(
    pairs: Mapping[str, tuple[Path, Path]],
    *,
    unit: Unit = "mm",
    classes: Mapping[int, str] | None = None,
    largest_component: bool = False,
) -> Evaluation:
    """As `evaluate`, for files that are already paired: case id to (prediction, label)."""
    measured: dict[str, dict[int, ClassMetrics]] = {}
    for case, (prediction_path, label_path) in pairs.items():
        prediction, truth, spacing = _read_pair(prediction_path, label_path)
        if largest_component:
            prediction = largest_components(prediction)
        values = _values(prediction, prediction_path) | _values(truth, label_path)
        wanted = sorted(values if classes is None else classes)
        size = spacing if unit == "mm" else None
        measured[case] = case_metrics(prediction, truth, size, wanted) if wanted else {}
    if classes is None:
        classes = {v: f"class {v}" for v in sorted({v for row in measured.values() for v in row})}
    if not classes:
        raise CrlnError(f"{next(iter(pairs.values()))[1]}: no class but 0 in any of the files")
    rows = tuple(
        Row(case, value, name, metrics.get(value, ClassMetrics()))
        for case, metrics in measured.items()
        for value, name in classes.items()
    )
    return Evaluation(unit=unit, largest_component=largest_component, rows=rows)


def _read_pair(
    prediction_path: Path, label_path: Path
) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """Both masks, (X, Y, Z), and their voxel size in millimetres."""
    prediction, truth = read_label(prediction_path), read_label(label_path)
    check_same_grid(prediction_path, prediction.grid, label_path, truth.grid)
    # An archive knows no voxel size; the other file of the pair may.
    grid = truth.grid if truth.grid.known else prediction.grid
    return prediction.array[0], truth.array[0], grid.spacing


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
