"""The metrics of classes of which a voxel has one, from the values of label files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crln.cohort import Label, read_outline, settle_told
from crln.components import largest_components
from crln.errors import CrlnError
from crln.evaluation.metrics import Measuring
from crln.evaluation.overlap import Findings
from crln.evaluation.surfaces import case_metrics
from crln.files import checksum
from crln.imaging import check_same_grid, common_grid, label_names, read_label
from crln.labels import LabelSpace

_MOST_CLASSES = 1000

Classes = Mapping[int, str] | LabelSpace
"""Label value to name, or what a plan calls its labels."""


class _Read(NamedTuple):
    """What the two files of a case hold.

    Attributes:
        prediction: (X, Y, Z), label values.
        truth: (X, Y, Z), label values; the background where nobody knows.
        known: (X, Y, Z) bool, where somebody knows the truth; None: everywhere.
        spacing: voxel size along X, Y, Z in mm.
        voxel_ml: volume of a voxel; NaN where nobody knows it.
        background: the value of what is none of the classes.
    """

    prediction: np.ndarray
    truth: np.ndarray
    known: np.ndarray | None
    spacing: tuple[float, float, float]
    voxel_ml: float
    background: int

    def where_known(self, mask: np.ndarray) -> np.ndarray:
        """A mask with nothing in it where nobody knows what there is."""
        return mask if self.known is None else np.where(self.known, mask, self.background)


def measure_exclusive(
    pairs: Mapping[str, tuple[Label, Label]],
    classes: Classes | None,
    how: Measuring,
    components: Sequence[bool],
    ignore: int | None,
    names: Mapping[int, str],
    scans: Mapping[str, Path],
) -> tuple[Findings, Mapping[int, str]]:
    """Metrics of every class of every case; every file is read once.

    Args:
        pairs: case to its prediction and its truth.
        classes: to measure; None: every value but 0 that is found.
        how: to measure.
        components: whether only each class's largest component is measured, for each entry.
        ignore: the value that means that nobody knows; a plan's labels say it themselves.
        names: what a cohort calls the values that are found, where `classes` is None.
        scans: case to its scan, where that is known, for masks that cover a part of it.

    Returns:
        What was measured, and the name of each class by its value.

    Raises:
        CrlnError: a file is unreadable or on another grid, or no class is found.
    """
    names, background = _named(pairs, classes or names or None), 0
    if isinstance(classes, LabelSpace):
        background, ignore, classes = classes.values[0], classes.ignore, classes.structures
    found = Findings([{} for _ in components])
    for case, (mask, label) in pairs.items():
        found.read[case] = checksum(mask.path), " ".join(map(checksum, label.files))
        read = _read(mask.path, label, ignore, names, scans.get(case), background)
        predicted = read.where_known(read.prediction)
        wanted = _wanted(case, predicted, read, mask, label, classes, found)
        for figures, largest in zip(found.figures, components, strict=True):
            kept = predicted
            if largest:
                kept = read.where_known(largest_components(read.prediction))
            figures[case] = case_metrics(
                kept, read.truth, read.spacing if how.unit == "mm" else None, wanted,
                voxel_ml=read.voxel_ml, tolerance=how.tolerance, known=read.known, fine=how.fine,
            )  # fmt: skip
    if classes is None:
        values = sorted({value for of_case in found.figures[0].values() for value in of_case})
        classes = {value: names.get(value, f"class {value}") for value in values}
    if not classes:
        (_, first), *_ = pairs.values()
        raise CrlnError(f"{first.path}: no class but 0 in any of the files")
    return found, classes


def _wanted(
    case: str,
    predicted: np.ndarray,
    read: _Read,
    mask: Label,
    label: Label,
    classes: Mapping[int, str] | None,
    found: Findings,
) -> list[int]:
    """The classes to measure in a case; notes the values that are none, and who was not sought."""
    in_truth = _values(read.truth, label.path) - {read.background}
    in_mask = _values(predicted, mask.path) - {read.background}
    wanted = sorted(in_mask | in_truth if classes is None else classes)
    for value in sorted(in_mask.difference(wanted)):
        found.others_in_masks.setdefault(value, []).append(case)
    if label.classes is not None:
        found.unsought[case] = set(wanted).difference(label.classes)
        wanted = sorted(set(wanted).intersection(label.classes))
    for value in sorted(in_truth.difference(wanted)):
        found.others.setdefault(value, []).append(case)
    return wanted


def _named(pairs: Mapping[str, tuple[Label, Label]], classes: Classes | None) -> dict[int, str]:
    """Label value to name, for files that name their classes; of labels before predictions."""
    if classes is not None:
        return classes.named if isinstance(classes, LabelSpace) else dict(classes)
    true = [label_names(label.path) for _, label in pairs.values() if not label.parts]
    predicted = [label_names(mask.path) for mask, _ in pairs.values()]
    return settle_told([*true, *predicted])


def _read(
    mask: Path,
    label: Label,
    ignore: int | None,
    names: Mapping[int, str],
    scan: Path | None,
    background: int,
) -> _Read:
    like = common_grid([mask, *label.files], scan)
    prediction = read_label(mask, like, names)
    outline = read_outline(label, prediction.grid, names, ignore)
    truth = outline.volume
    check_same_grid(mask, prediction.grid, label.path, truth.grid)
    # An archive knows no voxel size; the other file of the pair may.
    grid = truth.grid if truth.grid.known else prediction.grid
    voxel_ml = math.prod(grid.spacing) / 1000 if grid.known else math.nan
    read = _Read(
        prediction.array[0], truth.array[0], outline.known, grid.spacing, voxel_ml, background
    )
    return read._replace(truth=read.where_known(read.truth))


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
