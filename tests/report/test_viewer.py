"""What a viewer is told of a scan."""

import numpy as np

from crln.imaging import Grid, Volume
from crln.labels import LabelSpace
from crln.report.style import class_colour
from crln.report.viewer import Viewer, slices_of

SHAPE = (8, 7, 6)
GRID = Grid(SHAPE, np.diag([-1.0, 1.0, 2.0, 1.0]))
SCAN = Volume(np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32), GRID)
LABELS = LabelSpace((0, 3, 5), ("background", "liver", "spleen"))


def mask(*at: int) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[2:6, 2:5, list(at)] = 3
    return found


def viewer(doubt: tuple[np.ndarray, ...] = ()) -> Viewer:
    slices = slices_of(SCAN, {"truth": mask(1, 2), "prediction": mask(2, 3)}, LABELS, doubt)
    return Viewer("case_1", slices, {"liver": "Dice 50.0 %", "spleen": "in neither"})


def test_classes_have_their_hue_and_their_figure() -> None:
    rows = viewer().rows
    assert rows == [
        (class_colour(0), "liver", "Dice 50.0 %"),
        (class_colour(1), "spleen", "in neither"),
    ]
    shown = viewer().viewer
    assert shown["data"]["hues"] == [class_colour(0), class_colour(1)]
    assert [each["kind"] for each in shown["data"]["outlines"]] == ["truth", "prediction"]


def test_what_is_seen_is_told_in_words() -> None:
    assert "liver outlined, Dice 50.0 %" in viewer().viewer["alt"]
    assert "spleen" not in viewer().viewer["alt"]


def test_the_slice_of_most_doubt_comes_first() -> None:
    along = np.zeros(6)
    along[3] = 12
    found = viewer((np.zeros(8), np.zeros(7), along)).slices
    assert found.cut.numbers[found.cut.key] == 4
    assert viewer((np.zeros(8), np.zeros(7), along)).viewer["doubt"].startswith("M0,20L")
    assert viewer().viewer["doubt"] == ""
