"""What is to be thought of an outline."""

import math

import numpy as np

from crln.imaging import Grid
from crln.labels import LabelSpace
from crln.quality import Appraiser, LabelRanges, Points, Quality, Score, Signals, shapes_of

LABELS = LabelSpace((0, 1, 2), ("background", "liver", "tumour"))
GRID = Grid((9, 8, 7), np.diag([-1.0, 1.0, 2.0, 1.0]))
DICE = tuple(0.8 + 0.01 * i for i in range(10))
QUALITY = Quality(structures={"liver": Points(dice=DICE, signals={"sure": DICE})})
SIGNALS = {"liver": Signals(sure=0.85), "tumour": Signals(sure=0.0)}


def outline() -> np.ndarray:
    classes = np.zeros(GRID.shape, np.uint8)
    classes[2:5, 2:6, 2:4] = 1
    return classes


def test_without_a_record_nothing_is_thought_but_of_the_scan() -> None:
    found = Appraiser().appraise(outline(), LABELS, GRID, ["a size of 3 mm"], SIGNALS)
    assert found.scores == {}
    assert found.flags == ("unlike the training scans: a size of 3 mm",)


def test_a_map_alone_scores_what_is_there() -> None:
    found = Appraiser(quality=QUALITY).appraise(outline(), LABELS, GRID, [], SIGNALS)
    assert found.scores["liver"].known
    assert found.scores["tumour"] == Score() or math.isnan(found.scores["tumour"].rank)


def test_what_every_label_has_and_the_outline_has_not_is_last() -> None:
    both = outline()
    both[5, 2:6, 2:4] = 2
    shapes = shapes_of(GRID.to_ras(both), LABELS, GRID.in_ras(GRID.spacing))
    seen = LabelRanges.of([shapes] * 4)
    found = Appraiser(seen, QUALITY).appraise(outline(), LABELS, GRID, [], SIGNALS)
    assert found.scores["tumour"].rank == 0
    assert found.flags == ("tumour is missing, which every label has",)
    assert Appraiser(seen, QUALITY).appraise(both, LABELS, GRID, [], SIGNALS).flags == ()
