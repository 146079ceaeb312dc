"""Truth and prediction of one case, to be looked at where they differ most."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crln.cohort import Label, read_outline, read_separate
from crln.errors import CrlnError
from crln.evaluation import Evaluation
from crln.evaluation.metrics import BY_KEY
from crln.evaluation.tables import class_title
from crln.imaging import Grid, Volume, common_grid, read_image
from crln.labels import IGNORE, LabelSpace
from crln.report.viewer import Viewer, slices_of

ALONE = "Its scan was not found: the outlines are shown alone."

Read = tuple[np.ndarray, np.ndarray, Grid]
"""Classes or combinations (X, Y, Z), 0 where nobody knows; where somebody does; their grid."""


def look_at(
    title: str,
    scan: Sequence[Path],
    mask: Label,
    label: Label,
    labels: LabelSpace,
    figures: Mapping[str, str],
    *,
    largest: bool = False,
) -> Viewer:
    """The slices of a case, the first those in which truth and prediction differ most.

    Args:
        title: what the case is called.
        scan: its image files; () where nobody knows them.
        mask: the prediction.
        label: the truth.
        labels: what their values mean; others are background.
        figures: of each class its name and what it measures.
        largest: whether the largest component of each class is all that counts.

    Raises:
        CrlnError: a mask or label cannot be read.
    """
    image = _image(scan)
    (truth, known, grid), (predicted, seen, own) = _both(label, mask, labels, image)
    if largest:
        predicted = labels.cleaned(predicted)
    grid = grid if grid.known else own
    differ = (truth != predicted) & known & seen
    elsewhere = [tuple(a for a in range(3) if a != axis) for axis in range(3)]
    doubt = [differ.sum(axis=others) for others in elsewhere] if differ.any() else ()
    there = image is not None and image.grid.shape == grid.shape
    shown = image if image and there else Volume(np.zeros((1, *grid.shape), np.uint8), grid)
    masks = {"truth": labels.decode(truth), "prediction": labels.decode(predicted)}
    return Viewer(title, slices_of(shown, masks, labels, doubt), figures, "" if there else ALONE)


def dice_of(evaluation: Evaluation, case: str) -> dict[str, str]:
    """Of each class its name and its Dice in one case."""
    names, dice = evaluation.class_names, BY_KEY["dice"]
    figures = {row.value: row.metrics["dice"] for row in evaluation.rows if row.case == case}
    return {
        class_title(names, value): f"Dice {dice.shown(figures[value], 1)} %"
        if not math.isnan(figures[value])
        else "in neither"
        for value in names
    }


def _both(label: Label, mask: Label, labels: LabelSpace, image: Volume | None) -> list[Read]:
    """Truth and prediction on the grid of the scan, or on their own where that is another."""
    if image:
        found = [_read(each, labels, image.grid) for each in (label, mask)]
        if found[0][0].shape == found[1][0].shape:
            return found
    like = common_grid([*mask.files, *label.files])
    return [_read(each, labels, like) for each in (label, mask)]


def _read(label: Label, labels: LabelSpace, like: Grid) -> Read:
    if labels.separate:
        volume = read_separate(label, labels, like)
        classes, known, grid = volume.array[0], volume.array[0] != IGNORE, volume.grid
        return np.where(known, classes & labels.highest, 0), known, grid
    outline = read_outline(label, like, labels.named, labels.ignore)
    values = outline.values
    meant = np.isin(values, labels.known)
    classes = labels.encode(np.where(meant, values, labels.known[0]))
    known = np.ones(values.shape, bool) if outline.known is None else outline.known
    return np.where(known, classes, 0), known, outline.volume.grid


def _image(scan: Sequence[Path]) -> Volume | None:
    """The first channel; None where it cannot be read: the outlines are what matters."""
    try:
        return read_image(scan[:1]) if scan else None
    except CrlnError:
        return None
