"""What the outline of a structure is like."""

import numpy as np
import pytest

from crln.labels import LabelSpace
from crln.quality import shapes_of

LABELS = LabelSpace((0, 4, 9), ("background", "wall", "cavity"))
NESTED = LabelSpace.of([0, 1, 2], {}, regions={"whole": (1, 2), "core": (2,)})


def shell() -> np.ndarray:
    """A wall of 4^3 voxels around a cavity of 2^3."""
    classes = np.zeros((8, 9, 10), np.int8)
    classes[2:6, 2:6, 2:6] = 1
    classes[3:5, 3:5, 3:5] = 2
    return classes


def test_a_cavity_lies_behind_its_wall() -> None:
    found = shapes_of(shell(), LABELS, (1, 2, 3))
    wall, cavity = found["wall"], found["cavity"]
    assert wall
    assert cavity
    assert cavity.volume == 8 * 6
    assert cavity.extent == (2, 4, 6)
    assert cavity.centre == (4, 8, 12)
    # Two faces of 2 x 2 voxels along each axis, of 6, 3 and 2 mm^2 a voxel.
    assert cavity.surface == 2 * 4 * (6 + 3 + 2)
    assert cavity.beside == {"wall": 1.0}
    assert wall.surface == cavity.surface + 2 * 16 * (6 + 3 + 2)
    assert wall.beside["cavity"] == pytest.approx(1 / 5)
    assert not wall.border


def test_regions_lie_behind_those_that_hold_them() -> None:
    classes = np.where(shell() == 2, 3, shell())
    found = shapes_of(classes, NESTED, (1, 1, 1))
    assert found["core"]
    assert found["core"].beside == {"whole": 1.0}
    assert found["whole"]
    assert found["whole"].beside == {"core": 0.0}
    assert found["whole"].volume == 64


def test_pieces_and_the_edge_of_the_scan() -> None:
    classes = np.zeros((6, 6, 1), np.int8)
    classes[0, :3], classes[4, 4] = 1, 1
    shape = shapes_of(classes, LABELS, (1, 1, 1))["wall"]
    assert shape
    assert (shape.pieces, shape.largest, shape.border) == (2, 0.75, True)
    inner = np.zeros((6, 6, 1), np.int8)
    inner[2, 2] = 1  # a single slice has no edge along its third axis
    shape = shapes_of(inner, LABELS, (1, 1, 1))["wall"]
    assert shape
    assert not shape.border
    assert shape.surface == 6


def test_what_has_no_voxel_has_no_shape() -> None:
    assert shapes_of(np.zeros((3, 3, 3), np.int8), LABELS, (1, 1, 1)) == {
        "wall": None, "cavity": None,
    }  # fmt: skip


def test_a_ball_is_more_compact_than_a_plate() -> None:
    x, y, z = np.ogrid[-12:13, -12:13, -12:13]
    ball = (x**2 + y**2 + z**2 <= 100).astype(np.int8)
    plate = ((abs(x) < 11) & (abs(y) < 11) & (abs(z) < 1)).astype(np.int8)
    round_, flat = (shapes_of(each, LABELS, (1, 1, 1))["wall"] for each in (ball, plate))
    assert round_
    assert flat
    assert round_.compactness == pytest.approx(2 / 3, abs=0.02)
    assert flat.compactness < 0.4


def test_specks_are_pieces_but_reach_nowhere() -> None:
    classes = np.zeros((20, 12, 12), np.int8)
    classes[5:11, 3:9, 3:9] = 1  # 216 voxels
    clean = shapes_of(classes, LABELS, (1, 1, 2))["wall"]
    classes[0, 0, :4] = 1  # 4 of 220: less than a fiftieth
    speck = shapes_of(classes, LABELS, (1, 1, 2))["wall"]
    classes[0, 0, :5] = 1  # 5 of 221: more
    piece = shapes_of(classes, LABELS, (1, 1, 2))["wall"]
    assert clean
    assert speck
    assert piece
    assert (speck.extent, speck.border, speck.pieces) == (clean.extent, False, 2)
    assert (piece.extent, piece.border) == ((11, 9, 18), True)
    assert speck.largest == 216 / 220
