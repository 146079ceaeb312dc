"""From signals to the Dice that they let expect, with an interval that holds it.

A rising line through few points, drawn towards a level one, and the interval of the jackknife+
(Barber et al., Annals of Statistics 2021): with R_i the error at point i of the line through all
others, it reaches from the k-th largest f_-i(x) - R_i to the k-th smallest f_-i(x) + R_i, k being
ceil(level (n + 1)). Over points drawn alike it holds the truth in `level` of all cases, as a rule,
and in 2 `level` - 1 of them in the worst case.
"""

import math

import numpy as np

DRAWN = 5
"""So many points of a level line are added, in effect, to those that a line is drawn through."""


def fewest(level: float) -> int:
    """Points below which no interval of a level can be given: 9 for 90 %."""
    return math.ceil(level / (1 - level) - 1e-9)


def expected(signals: np.ndarray, dice: np.ndarray, at: np.ndarray) -> float:
    """The Dice on the rising line at a point; monotone in every signal.

    Args:
        signals: (n, S), those of the points.
        dice: (n,), theirs.
        at: (S,), the signals of the outline to tell of.
    """
    middle, spread = signals.mean(0), signals.std(0)
    spread = np.where(spread > 0, spread, np.inf)
    along = ((signals - middle) / spread).mean(1)
    wide = along.std() or 1.0
    slope = max(0.0, float(along @ (dice - dice.mean())) / wide / (len(dice) + DRAWN))
    return float(dice.mean() + slope * ((at - middle) / spread).mean() / wide)


def interval(
    signals: np.ndarray, dice: np.ndarray, at: np.ndarray, level: float
) -> tuple[float, float]:
    """The jackknife+ interval of the Dice at a point; NaN, NaN of fewer points than `fewest`.

    Args:
        signals: (n, S), those of the points.
        dice: (n,), theirs.
        at: (S,), the signals of the outline to tell of.
        level: share of outlines whose Dice it shall hold.
    """
    count = len(dice)
    if count < fewest(level):
        return math.nan, math.nan
    lows, highs = [], []
    for i in range(count):
        others = np.arange(count) != i
        line = signals[others], dice[others]
        error = abs(dice[i] - expected(*line, signals[i]))
        here = expected(*line, at)
        lows.append(here - error)
        highs.append(here + error)
    place = math.ceil(level * (count + 1) - 1e-9)
    return sorted(lows)[count - place], sorted(highs)[place - 1]
