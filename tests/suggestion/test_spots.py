"""Places to look at first."""

import numpy as np

from crln.suggestion import doubtful_spots


def test_the_place_with_most_doubt_comes_first_and_no_place_touches_another():
    doubt = np.zeros((60, 45, 10))
    doubt[10:14, 20:23, 4:7] = 0.4  # large
    doubt[11, 21, 5] = 0.5
    doubt[14, 21, 5] = 0.9  # beside it
    doubt[50, 5, 9] = 1.0  # alone
    found = doubtful_spots(doubt, 10)
    assert found[1:] == [(50, 5, 9)]
    assert np.abs(np.subtract(found[0], (11, 21, 5))).max() <= 3
    assert doubtful_spots(doubt, 1) == found[:1]


def test_where_nothing_is_doubted_no_place_is():
    assert doubtful_spots(np.zeros((5, 5, 5)), 3) == []


def test_every_place_is_within_the_scan_and_doubted():
    doubt = np.random.default_rng(0).random((41, 7, 23))
    found = doubtful_spots(doubt, 50)
    assert len(set(found)) == len(found) > 20
    assert all(doubt[spot] > 0.5 for spot in found)
