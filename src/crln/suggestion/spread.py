"""Chooses what is doubtful and not all alike."""

from collections.abc import Sequence

import numpy as np


def doubtful_and_unlike(
    doubts: Sequence[float], features: np.ndarray, groups: Sequence[object], count: int
) -> list[int]:
    """Greedy: the most doubtful, then each time the most doubtful times the distance to its like.

    The distance is that to the nearest one chosen before, in features of unit variance (the
    farthest-first traversal of Gonzalez, Theoretical Computer Science 1985, weighted by doubt).

    Args:
        doubts: of each candidate, 0..1.
        features: (n, F).
        groups: of each candidate; of a group one is chosen.
        count: how many to choose, fewer where there are fewer groups.

    Returns:
        Indices, in the order of choice.

    Examples:
        >>> features = np.array([[0.0], [0.1], [5.0]])
        >>> doubtful_and_unlike([0.5, 0.4, 0.3], features, ["a", "b", "c"], 2)
        [0, 2]
    """
    doubt, unlike = np.asarray(doubts, float), scaled(features)
    distance = np.ones(len(doubt))
    free = np.ones(len(doubt), bool)
    chosen: list[int] = []
    while free.any() and len(chosen) < count:
        best = int(np.argmax(np.where(free, doubt * (distance + 1e-9), -1.0)))
        apart = np.linalg.norm(unlike - unlike[best], axis=1)
        distance = np.minimum(distance, apart) if chosen else apart
        chosen.append(best)
        free &= [group != groups[best] for group in groups]
    return chosen


def scaled(features: np.ndarray) -> np.ndarray:
    """Features (n, F) of zero mean and unit variance; those that do not vary become 0."""
    deviation = features.std(0)
    same = deviation <= 1e-9 * (1 + np.abs(features).max(0, initial=0))
    scaled: np.ndarray = (features - features.mean(0)) / np.where(same, np.inf, deviation)
    return scaled


def apart_in_order(weights: np.ndarray, allowed: np.ndarray, count: int) -> list[int]:
    """Indices of the largest weights that do not lie side by side, ascending.

    Each keeps others out as far as half the share that falls to one of `count`.

    Args:
        weights: of each slice.
        allowed: which slices may be chosen.
        count: how many at most.
    """
    places = np.flatnonzero(allowed)
    if not len(places):
        return []
    reach = (places[-1] - places[0] + 1) / (2 * count)
    chosen: list[int] = []
    free = allowed.copy()
    while free.any() and len(chosen) < count:
        best = int(np.argmax(np.where(free, weights, -1.0)))
        chosen.append(best)
        free &= np.abs(np.arange(len(weights)) - best) > reach
    return sorted(chosen)
