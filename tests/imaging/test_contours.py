"""Oracles: whole voxels by hand, and solids of which it is known in which voxels' centres lie."""

import numpy as np
import pytest

from crln.imaging.contours import fill

SHAPE = (24, 22, 20)
CENTRE = np.array([11.3, 10.6, 9.2])
RADIUS = 7.4


def _square(low: float, high: float, depth: float, axis: int = 2) -> np.ndarray:
    corners = [(low, low), (low, high), (high, high), (high, low)]
    return np.insert(np.array(corners, float), axis, depth, axis=1)


def _ball(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return ((places - CENTRE) ** 2).sum(-1) < RADIUS**2


def _rings(normal: np.ndarray, depths: np.ndarray, points: int = 720) -> list[np.ndarray]:
    """The ball's contours in planes `depths` away from its centre along a unit normal."""
    u, v = np.linalg.svd(normal[None])[2][1:]
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)[:, None]
    return [
        CENTRE + d * normal + np.sqrt(RADIUS**2 - d**2) * (np.cos(angles) * u + np.sin(angles) * v)
        for d in depths
        if abs(d) < RADIUS
    ]


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def test_a_contour_between_voxels_and_one_through_their_centres_hold_the_same_voxels() -> None:
    expected = np.zeros(SHAPE, bool)
    expected[3:8, 3:8, 5] = True
    for edge in (0.49, 0, 0.002, -0.002):  # coordinates of a few decimals miss the centres
        np.testing.assert_array_equal(fill([_square(3 - edge, 7 + edge, 5)], SHAPE), expected)


def test_a_contour_within_another_is_a_hole_and_one_within_that_is_an_island() -> None:
    contours = [_square(low - 0.5, 15.5 - low, 4) for low in (1, 4, 6)]
    expected = np.zeros(SHAPE, bool)
    expected[1:15, 1:15, 4] = True
    expected[4:12, 4:12, 4] = False
    expected[6:10, 6:10, 4] = True
    np.testing.assert_array_equal(fill(contours, SHAPE), expected)


def test_a_keyhole_is_a_hole() -> None:
    # From the outer square's corner to the inner square, round it the other way, and back.
    outer, inner = _square(0.5, 14.5, 4), _square(4.5, 9.5, 4)[::-1]
    contour = np.concatenate([outer, outer[:1], inner, inner[:1]])
    expected = np.zeros(SHAPE, bool)
    expected[1:15, 1:15, 4] = True
    expected[5:10, 5:10, 4] = False
    np.testing.assert_array_equal(fill([contour], SHAPE), expected)


def test_a_keyhole_along_voxel_centres_cuts_nothing() -> None:
    outer = np.array([(0.5, 7), (0.5, 14.5), (14.5, 14.5), (14.5, 0.5), (0.5, 0.5), (0.5, 7)])
    inner = np.array([(4.5, 7), (4.5, 4.5), (9.5, 4.5), (9.5, 9.5), (4.5, 9.5), (4.5, 7)])
    contour = np.insert(np.concatenate([outer, inner]), 2, 3.0, axis=1)
    expected = np.zeros(SHAPE, bool)
    expected[1:15, 1:15, 3] = True
    expected[5:10, 5:10, 3] = False
    np.testing.assert_array_equal(fill([contour], SHAPE), expected)


def test_a_contour_that_is_there_twice_counts_once() -> None:
    assert fill([_square(2, 5, 3), _square(2, 5, 3)], SHAPE).sum() == 16


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ball_drawn_in_every_slice_along_any_axis_is_the_voxels_whose_centres_it_holds(
    axis: int,
) -> None:
    normal = np.eye(3)[axis]
    rings = _rings(normal, np.arange(SHAPE[axis]) - CENTRE[axis])
    found = fill(rings, SHAPE)
    assert np.count_nonzero(found != _ball()) <= 4  # centres on the circles of 720 corners


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_a_slice_between_two_contours_has_the_shape_between_theirs(shift: float) -> None:
    rings = _rings(np.eye(3)[2], np.arange(20) + shift - CENTRE[2])
    found = fill(rings, SHAPE)
    assert _dice(found, _ball()) > 0.95
    assert found.any((0, 1)).sum() == len(rings)


def test_shapes_that_have_nothing_in_common_count_for_their_halves() -> None:
    squares = [_square(2, 4, 2), _square(10, 12, 6), _square(10, 12, 10)]
    found = fill(squares, SHAPE)
    assert found[3, 3].nonzero()[0].tolist() == [0, 1, 2, 3]
    assert found[11, 11].nonzero()[0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    assert fill(squares[:2], SHAPE).any((0, 1)).nonzero()[0].tolist() == [2, 6]


def test_contours_of_every_third_slice_are_a_solid() -> None:
    found = fill(_rings(np.eye(3)[2], np.arange(0, 20, 3) - CENTRE[2]), SHAPE)
    assert _dice(found, _ball()) > 0.95
    assert found[11, 11, 3:16].all()


def test_as_drawn_no_slice_is_filled_from_its_neighbours() -> None:
    rings = _rings(np.eye(3)[2], np.arange(0, 20, 3) - CENTRE[2])
    found = fill(rings, SHAPE, between=False)
    assert found.any((0, 1)).nonzero()[0].tolist() == [3, 6, 9, 12, 15]


def test_a_gap_between_two_parts_of_a_structure_stays_open() -> None:
    found = fill([_square(2, 5, k) for k in (3, 4, 5, 12, 13, 14)], SHAPE)
    assert found.any((0, 1)).nonzero()[0].tolist() == [3, 4, 5, 12, 13, 14]


@pytest.mark.parametrize("normal", [(0.5, 0.2, 1), (1, 1, 0), (0, 0.1, 1)])
def test_contours_oblique_to_the_grid_are_filled(normal: tuple[float, ...]) -> None:
    unit = np.array(normal) / np.linalg.norm(normal)
    found = fill(_rings(unit, np.arange(-8, 8, 0.8)), SHAPE)
    assert _dice(found, _ball()) > 0.95


def test_what_lies_outside_of_the_grid_is_cut_off() -> None:
    found = fill([_square(-4.5, 3.5, 2), _square(2, 5, 40), _square(-9, -5, 2)], SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[:4, :4, 2] = True
    np.testing.assert_array_equal(found, expected)


def test_lines_and_points_enclose_nothing() -> None:
    line = np.array([(1, 1, 1), (5, 5, 5), (9, 9, 9)], float)
    assert not fill([line, line[:2], line[:1]], SHAPE).any()
