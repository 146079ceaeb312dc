"""The metrics of classes that overlap: a row each, of its own voxels in truth and prediction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crln.cohort import Label, read_outline, read_separate
from crln.components import largest_components
from crln.evaluation.metrics import ClassMetrics, Measuring, tolerance_of
from crln.evaluation.surfaces import case_metrics
from crln.files import checksum
from crln.imaging import Grid, check_same_grid, common_grid
from crln.labels import IGNORE, LabelSpace


@dataclass
class Findings:
    """What was measured of many cases.

    Attributes:
        figures: for the masks as they are and, or, their largest components: case to class to its
            metrics.
        unsought: case to the classes that nobody looked for in it.
        others: label value that is of no class to the cases whose label holds it.
        others_in_masks: the same of the cases' masks.
        read: case to the checksums of its mask and of its label.
    """

    figures: list[dict[str, dict[int, ClassMetrics]]]
    unsought: dict[str, set[int]] = field(default_factory=dict)
    others: dict[int, list[str]] = field(default_factory=dict)
    others_in_masks: dict[int, list[str]] = field(default_factory=dict)
    read: dict[str, tuple[str, str]] = field(default_factory=dict)


def measure_overlapping(
    pairs: Mapping[str, tuple[Label, Label]],
    space: LabelSpace,
    how: Measuring,
    components: Sequence[bool],
    scans: Mapping[str, Path],
) -> Findings:
    """Metrics of every class of every case.

    Args:
        pairs: case to the label files of its prediction and of its truth.
        space: of classes that overlap.
        how: to measure.
        components: whether only each class's largest component is measured, for each entry.
        scans: case to its scan, where that is known, for masks that cover a part of it.
    """
    found = Findings([{} for _ in components])
    for case, (mask, label) in pairs.items():
        sums = [" ".join(map(checksum, each.files)) for each in (mask, label)]
        found.read[case] = sums[0], sums[1]
        like = common_grid(mask.files, scans[case]) if case in scans else None
        prediction, own, in_mask = _read(mask, space, like)
        truth, grid, strange = _read(label, space, own)
        check_same_grid(mask.path, own, label.path, grid)
        for values, others in ((strange, found.others), (in_mask, found.others_in_masks)):
            for value in values:
                others.setdefault(value, []).append(case)
        grid = grid if grid.known else own
        for figures, largest in zip(found.figures, components, strict=True):
            figures[case] = {
                k: _class(prediction, truth, space, k, grid, how, largest)
                for k in range(1, space.classes)
            }
        found.unsought[case] = {
            k for k in range(1, space.classes) if not space.knows(truth, k).any()
        }
    return found


def _class(
    prediction: np.ndarray,
    truth: np.ndarray,
    space: LabelSpace,
    k: int,
    grid: Grid,
    how: Measuring,
    largest: bool,
) -> ClassMetrics:
    """Of one class of one case, where it is known."""
    known = space.knows(truth, k)
    mask = space.holds(prediction, k).astype(np.uint8)
    if largest:
        mask = largest_components(mask)
    metrics = case_metrics(
        mask * known, space.holds(truth, k).astype(np.uint8),
        grid.spacing if how.unit == "mm" else None, [1],
        voxel_ml=math.prod(grid.spacing) / 1000 if grid.known else math.nan,
        tolerance=tolerance_of(how.tolerance, k),
        known=None if known.all() else known, fine=how.fine,
    )  # fmt: skip
    return metrics[1]


def _read(
    label: Label, space: LabelSpace, like: Grid | None = None
) -> tuple[np.ndarray, Grid, list[int]]:
    """Combinations (X, Y, Z), their grid, and the values that are of no class."""
    if space.separate:
        volume = read_separate(label, space, like)
        return volume.array[0], volume.grid, []
    outline = read_outline(label, like, ignore=space.ignore)
    values = outline.values
    known = np.isin(values, space.known)
    combined = space.encode(np.where(known, values, space.known[0]), label.path)
    if outline.known is not None:
        combined[~outline.known] = IGNORE
        known |= ~outline.known
    return combined, outline.volume.grid, np.unique(values[~known]).tolist()
