"""Scans for the page of a model: some with the outline that it learnt from, some with its own."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from crln.cohort import Case, Cohort, Label, read_outline, read_separate
from crln.errors import reason
from crln.imaging import Grid, read_image
from crln.inference import Predictor, load_predictor
from crln.inference.cards import card_of
from crln.inference.prediction import inside
from crln.labels import IGNORE, LabelSpace
from crln.report.card import Card, CardRow
from crln.report.style import class_colour
from crln.report.viewer import slices_of
from crln.training.look import evenly
from crln.training.options import Training

LABELLED, UNLABELLED = 2, 2
SHARE, LEAST = 0.02, 20.0
"""Of a training's time that its examples may take before no other is begun; and seconds of it that
they may take anyway."""


def example_cards(folder: Path, cohort: Cohort, options: Training, seconds: float) -> list[Card]:
    """Labelled scans with their outlines, and unlabelled ones with those of the model.

    Of a scan that cannot be shown the page says why: the training is whole without it.

    Args:
        folder: of a run or an ensemble that has come to its end.
        cohort: that it learnt from.
        options: where and how to compute.
        seconds: that the training took.
    """
    until = time.monotonic() + max(LEAST, SHARE * seconds)
    predictor = load_predictor(folder, options.device, options.precision or "32")
    cards = []
    for case in (*evenly(cohort.labelled, LABELLED), *evenly(cohort.unlabelled, UNLABELLED)):
        try:
            if case.label:
                cards.append(_labelled(case, case.label, predictor.plan.labels))
            elif time.monotonic() < until:
                cards.append(_predicted(case, predictor))
        except Exception as fault:  # a file that was moved since, too little memory, ...
            cards.append(Card(case.id, 0.0, (), reason(fault)))
    return cards


def _labelled(case: Case, label: Label, labels: LabelSpace) -> Card:
    """A scan as a person outlined it."""
    scan = read_image(case.images)
    mask = _drawn(label, labels, scan.grid)
    millilitres = math.prod(scan.grid.spacing) / 1000 if scan.grid.known else math.nan
    structures = []
    for i, name in enumerate(labels.names[1:]):
        voxels = int(np.count_nonzero(inside(mask, labels, i + 1)))
        structures.append(CardRow(name, class_colour(i), voxels * millilitres, voxels))
    note = "Labelled: this outline was learnt from."
    return Card(case.id, 0.0, structures, slices_of(scan, {"truth": mask}, labels), note=note)


def _predicted(case: Case, predictor: Predictor) -> Card:
    """A scan as the model outlines it."""
    prediction = predictor.predict(case.images)
    prediction = replace(prediction, scan=prediction.read_scan())
    card = card_of(case.id, "", prediction, prediction.measures())
    return replace(card, note="Unlabelled: the outline is the model's own.")


def _drawn(label: Label, labels: LabelSpace, grid: Grid) -> np.ndarray:
    """A label as predictions are given: what nobody knows is background."""
    if labels.separate:
        combinations = read_separate(label, labels, grid).array[0]
        known = np.where(combinations == IGNORE, 0, combinations & labels.highest)
        return labels.decode(known)
    outline = read_outline(label, grid, labels.named, labels.ignore)
    if outline.known is None:
        return outline.values
    return np.where(outline.known, outline.values, labels.known[0])
