"""The map from signals to Dice."""

import math

import numpy as np
import pytest

from crln.quality.fit import expected, fewest, interval


def points(count: int, seed: int, noise: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    signal = random.uniform(0.7, 1, (count, 1))
    return signal, 0.5 + 0.4 * signal[:, 0] + noise * random.normal(size=count)


def test_nine_points_are_needed_for_ninety_per_cent() -> None:
    assert [fewest(level) for level in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]
    signals, dice = points(8, 0)
    assert all(map(math.isnan, interval(signals, dice, signals[0], 0.9)))


def test_the_line_rises_with_every_signal_and_never_falls() -> None:
    signals, dice = points(20, 0, noise=0)
    low, high = (expected(signals, dice, np.array([at])) for at in (0.75, 0.95))
    true = 0.4 * 0.2
    assert high - low == pytest.approx(true * 20 / 25)  # drawn towards a level line
    against = 1 - dice
    assert expected(signals, against, np.array([0.75])) == pytest.approx(against.mean())


def test_signals_that_never_vary_tell_the_mean() -> None:
    flat = np.full((9, 1), 0.9)
    dice = np.linspace(0.7, 0.9, 9)
    assert expected(flat, dice, np.array([0.2])) == pytest.approx(0.8)


def test_the_interval_is_the_jackknife_plus_by_its_definition() -> None:
    signals, dice = points(12, 3)
    at, level = np.array([0.9]), 0.9
    lows, highs = [], []
    for i in range(12):
        rest = [j for j in range(12) if j != i]
        error = abs(dice[i] - expected(signals[rest], dice[rest], signals[i]))
        here = expected(signals[rest], dice[rest], at)
        lows.append(here - error)
        highs.append(here + error)
    # ceil(0.9 * 13) = 12: the smallest of the low ends, the largest of the high ones.
    assert interval(signals, dice, at, level) == (min(lows), max(highs))
    # ceil(0.7 * 13) = 10: the third from either end.
    assert interval(signals, dice, at, 0.7) == (sorted(lows)[2], sorted(highs)[-3])


def test_intervals_hold_as_often_as_they_say() -> None:
    held = []
    for seed in range(300):
        signals, dice = points(11, seed)
        low, high = interval(signals[:10], dice[:10], signals[10], 0.9)
        held.append(low <= dice[10] <= high)
    assert 0.86 <= np.mean(held) <= 0.97
