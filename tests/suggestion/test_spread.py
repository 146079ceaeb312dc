"""Choosing what is doubtful and not all alike."""

from itertools import combinations

import numpy as np

from crln.suggestion.spread import apart_in_order, doubtful_and_unlike, scaled


def test_the_most_doubtful_comes_first_and_its_likes_do_not_follow() -> None:
    random = np.random.default_rng(0)
    kinds = np.repeat([[0, 0], [10, 0], [0, 10], [10, 10]], 5, axis=0)
    features = kinds + random.normal(0, 0.01, (20, 2))
    doubts = np.full(20, 0.1)
    doubts[:5] = 0.9, 0.8, 0.8, 0.8, 0.8  # all of one kind
    chosen = doubtful_and_unlike(doubts, features, list(range(20)), 4)
    assert chosen[0] == 0
    assert len({tuple(kinds[i]) for i in chosen}) == 4


def test_among_likes_the_doubtful_are_taken() -> None:
    features = np.ones((6, 3))
    doubts = [0.1, 0.5, 0.3, 0.9, 0.2, 0.4]
    assert doubtful_and_unlike(doubts, features, list("abcdef"), 3) == [3, 1, 5]


def test_of_a_group_one_is_chosen() -> None:
    features = np.arange(6.0)[:, None]
    chosen = doubtful_and_unlike([0.5] * 6, features, list("aabbcc"), 5)
    assert sorted("aabbcc"[i] for i in chosen) == ["a", "b", "c"]


def test_the_choice_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(1)
    doubts, features = random.random(12), random.normal(size=(12, 4)) * [1, 5, 100, 0]
    mean, deviation = features.mean(0), features.std(0)
    unit = [[(row[j] - mean[j]) / deviation[j] for j in range(3)] for row in features]
    chosen = [max(range(12), key=lambda i: doubts[i])]
    while len(chosen) < 5:
        best, place = -1.0, -1
        for i in set(range(12)) - set(chosen):
            nearest = min(
                sum((a - b) ** 2 for a, b in zip(unit[i], unit[j], strict=True)) ** 0.5
                for j in chosen
            )
            if doubts[i] * nearest > best:
                best, place = doubts[i] * nearest, i
        chosen.append(place)
    assert doubtful_and_unlike(doubts, features, list(range(12)), 5) == chosen


def test_features_that_do_not_vary_do_not_count() -> None:
    assert np.array_equal(scaled(np.array([[1.0, 7.0], [3.0, 7.0]])), [[-1, 0], [1, 0]])


def test_slices_lie_apart_within_the_outline() -> None:
    weights = np.array([9, 9, 0, 5, 6, 5, 0, 1, 8, 7, 0, 9.0])
    allowed = np.array([0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0], bool)
    chosen = apart_in_order(weights, allowed, 2)
    assert chosen == [4, 8]
    assert apart_in_order(weights, np.zeros(12, bool), 3) == []
    many = apart_in_order(weights, allowed, 20)
    assert set(many) == set(np.flatnonzero(allowed))
    assert all(b - a > 8 / 4 for a, b in combinations(chosen, 2))
