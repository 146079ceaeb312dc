"""From two masks to what metrics are computed from, for all classes at once.

Distances are medpy's to the last digit that matters: the surface of a class is its voxels with a
face neighbour outside it (beyond the array counts as outside), distances run from the centres of
one mask's surface voxels to the nearest of the other's. A k-d tree of the surface voxels alone
answers that exactly in float64; for masks the size of a left atrium all metrics together take half
the time of the two distance transforms alone (`benchmarks/metrics.py`), and a speck far from the
rest, which blows up the box that a transform must fill, costs next to nothing.
"""

import math
import os
from collections.abc import Sequence

import numpy as np

from crln.evaluation.measures import bounding_box
from crln.evaluation.metrics import (
    TOLERANCE,
    ClassMetrics,
    ClassPair,
    Tolerances,
    class_metrics,
    tolerance_of,
    undefined,
)


def case_metrics(
    prediction: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float] | None,
    classes: Sequence[int],
    *,
    voxel_ml: float | None = None,
    tolerance: Tolerances = TOLERANCE,
    known: np.ndarray | None = None,
    fine: bool = False,
) -> dict[int, ClassMetrics]:
    """Metrics of every class of one case.

    What nobody knows is of no class, and where a class ends there, that is no surface of it: a
    case of which a few slices were outlined is measured by what lies in these.

    Args:
        prediction: (X, Y, Z), integer label values.
        truth: (X, Y, Z), integer label values.
        spacing: voxel size along X, Y, Z, the unit of the distances; None measures in voxels.
        classes: the label values to measure; any other value counts as background.
        voxel_ml: volume of a voxel in ml; None computes it of `spacing` in mm, NaN where nobody
            knows it.
        tolerance: of normalised surface Dice, in the unit of the distances; or label value to it.
        known: (X, Y, Z) bool, where somebody knows the truth; None: everywhere.
        fine: measure thin parts, surfaces and topology too; undefined where `known` is given, since
            what ends at something unknown has no end there.

    Returns:
        Label value to its metrics, in the order of `classes`.

    Raises:
        ValueError: the two shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    if not classes:
        return {}
    # Where 0 is itself measured, or something unknown, nothing can be cut off.
    everything = 0 in classes or known is not None
    box = (...,) if everything else bounding_box((prediction != 0) | (truth != 0))
    if box is None:
        return {value: undefined(fine=fine) for value in classes}
    predicted, true = (_class_indices(mask[box], classes) for mask in (prediction, truth))
    if known is not None:
        predicted, true = predicted * known, true * known

    n = len(classes) + 1
    confusion = _confusion(predicted, true, n)
    size = np.ones(3) if spacing is None else np.asarray(spacing, dtype=np.float64)
    if voxel_ml is None:
        voxel_ml = math.nan if spacing is None else float(size.prod()) / 1000
    surfaces = zip(
        _surfaces(predicted, size, n, known), _surfaces(true, size, n, known), strict=True
    )
    measured = {}
    whole = fine and known is None
    for k, (value, (ours, theirs)) in enumerate(zip(classes, surfaces, strict=True), start=1):
        masks = _around(predicted == k, true == k) if whole else (None, None)
        measured[value] = class_metrics(
            ClassPair(
                both=int(confusion[k, k]),
                predicted=int(confusion[k].sum()),
                true=int(confusion[:, k].sum()),
                to_true=_nearest(theirs, ours),
                to_predicted=_nearest(ours, theirs),
                voxel_ml=voxel_ml,
                tolerance=tolerance_of(tolerance, value),
                size=(float(size[0]), float(size[1]), float(size[2])),
                prediction=masks[0],
                truth=masks[1],
            ),
            fine=fine,
        )
    return measured


def _around(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both masks in the box that holds them."""
    box = bounding_box(prediction | truth) or (slice(0),) * 3
    return prediction[box], truth[box]


def _class_indices(mask: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """1, 2, ... where `mask` has the first, second, ... of `classes`, and 0 elsewhere."""
    low, high = min(classes), max(classes)
    table = np.zeros(high - low + 3, dtype=np.uint8 if len(classes) < 256 else np.uint16)
    for k, value in enumerate(classes, start=1):
        table[value - low + 1] = k
    # Whatever lies below or above the classes is clipped to the table's ends, which hold 0.
    return table.take(mask.astype(np.intp) - (low - 1), mode="clip")


def _confusion(predicted: np.ndarray, true: np.ndarray, n: int) -> np.ndarray:
    """(n, n) voxels by predicted and true index; those that are 0 in both are not counted."""
    either = np.flatnonzero(predicted | true)
    pairs = predicted.ravel()[either] * np.intp(n) + true.ravel()[either]
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


def _surfaces(
    index: np.ndarray, size: np.ndarray, n: int, known: np.ndarray | None
) -> list[np.ndarray]:
    """Per class 1..n-1 the centres of its surface voxels, (V, 3), in units of `size`."""
    padded = np.pad(index, 1)
    unknown = None if known is None else np.pad(~known, 1)
    centre = (slice(1, -1),) * 3
    inner = np.ones(index.shape, dtype=bool)
    for axis in range(3):
        for shifted in (slice(None, -2), slice(2, None)):
            beside = (*centre[:axis], shifted, *centre[axis + 1 :])
            alike = padded[beside] == index
            inner &= alike if unknown is None else alike | unknown[beside]
    flat = np.flatnonzero((index != 0) & ~inner)
    of_class = index.ravel()[flat]
    centres = np.stack(np.unravel_index(flat, index.shape), axis=1) * size
    return [centres[of_class == k] for k in range(1, n)]


def _nearest(points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The distance of every query, (Q, 3), to the nearest of `points`, (V, 3); inf without any."""
    if not len(points) or not len(queries):
        return np.full(len(queries), math.inf)
    from scipy.spatial import KDTree  # only here: a tenth of what a prediction takes to start

    # Voxel centres are evenly spread: splitting boxes in the middle is as good as at the median.
    tree = KDTree(points, balanced_tree=False, compact_nodes=False)
    return tree.query(queries, workers=min(4, os.cpu_count() or 1))[0]
