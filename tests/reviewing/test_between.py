"""Slices between drawn ones; known shapes are the oracle."""

import numpy as np
import pytest

from crln.errors import CrlnError
from crln.reviewing.between import fill_between


def _ball(shape, centre, radius, spacing=(1, 1, 1)) -> np.ndarray:
    grid = np.moveaxis(np.indices(shape), 0, -1) * spacing
    return np.linalg.norm(grid - np.array(centre) * spacing, axis=-1) <= radius


def _only(values: np.ndarray, axis: int, kept: list[int]) -> np.ndarray:
    drawn = np.zeros_like(values)
    place = (slice(None),) * axis + (kept,)
    drawn[place] = values[place]
    return drawn


def test_between_two_discs_lies_the_disc_of_the_mean_radius():
    drawn = np.zeros((41, 41, 5), np.uint8)
    for at, radius in ((0, 6), (4, 14)):
        drawn[..., at] = _ball((41, 41, 1), (20, 20, 0), radius)[..., 0]
    found = fill_between(drawn, 2, (1, 1, 1), [1])
    areas = found.sum(axis=(0, 1))
    for at, radius in ((1, 8), (2, 10), (3, 12)):
        assert areas[at] == pytest.approx(np.pi * radius**2, rel=0.07)
    assert np.array_equal(found[..., [0, 4]], drawn[..., [0, 4]])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_ball_and_its_neighbour_come_back_from_every_third_slice(axis):
    shape, spacing = (36, 34, 38), (1.0, 1.5, 1.2)
    values = np.where(_ball(shape, (12, 17, 19), 10, spacing), 1, 0).astype(np.uint8)
    values[_ball(shape, (25, 17, 19), 9, spacing) & (values == 0)] = 2
    drawn = _only(values, axis, list(range(1, shape[axis], 3)))
    found = fill_between(drawn, axis, spacing, [1, 2])
    for number in (1, 2):
        mine, true = found == number, values == number
        at = np.flatnonzero((drawn == number).any(axis=tuple(k for k in range(3) if k != axis)))
        true = _only(true, axis, list(range(at[0], at[-1] + 1)))  # beyond them nothing is known
        assert 2 * (mine & true).sum() / (mine.sum() + true.sum()) > 0.96
    alone = fill_between(drawn, axis, spacing, [1])
    assert np.array_equal(alone == 2, drawn == 2)


def test_what_runs_aslant_keeps_its_shape():
    drawn = np.zeros((40, 12, 5), np.uint8)
    drawn[2:8, 3:9, 0] = drawn[30:36, 3:9, 4] = 1  # apart: plain distances would leave nothing
    found = fill_between(drawn, 2, (1, 1, 1), [1])
    for at in (1, 2, 3):
        assert np.array_equal(np.argwhere(found[..., at]).min(0), [2 + 7 * at, 3])
        assert np.array_equal(np.argwhere(found[..., at]).max(0), [7 + 7 * at, 8])
        assert found[..., at].sum() == 36


def test_only_background_is_drawn_over():
    drawn = np.zeros((9, 9, 3), np.uint8)
    drawn[2:7, 2:7, [0, 2]] = 1
    drawn[4, 4, 1] = 3
    found = fill_between(drawn, 2, (1, 1, 1), [1])
    assert found[4, 4, 1] == 3
    assert (found[..., 1] == 1).sum() == 24


def test_between_sparse_outlines_what_was_unknown_becomes_known():
    drawn = np.full((9, 9, 6), 3, np.uint8)
    drawn[..., [1, 4]] = 0
    drawn[2:7, 2:7, [1, 4]] = 1
    drawn[0, 0, 4] = 3  # unknown within a slice that was looked at
    found = fill_between(drawn, 2, (1, 1, 1), [1], unknown=3)
    expected = drawn.copy()
    expected[..., [2, 3]] = drawn[..., [1]]
    assert np.array_equal(found, expected)
    drawn[8, 8, 2] = 0  # looked at: what is marked as unknown there stays
    found = fill_between(drawn, 2, (1, 1, 1), [1], unknown=3)
    assert np.array_equal(found[..., 2], drawn[..., 2])


def test_where_nothing_lies_between_that_is_said():
    drawn = np.zeros((9, 9, 4), np.uint8)
    drawn[2:7, 2:7, 1:3] = 1
    with pytest.raises(CrlnError, match="no slice lies between drawn ones"):
        fill_between(drawn, 2, (1, 1, 1), [1])
