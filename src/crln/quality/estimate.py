"""How good the whole is, and which labels to look at, told by cases that were left out."""

import math
from collections.abc import Mapping

import numpy as np

from crln.evaluation import Evaluation
from crln.evaluation.results import Summary
from crln.evaluation.statistics import FEWEST, mean_interval
from crln.planning.plan import Section

MEASURED = ("dice", "asd")
"""Overlap and surface distance."""

APART, GAP = 3.5, 0.1
"""A label is contradicted where its Dice lies so many robust deviations, and so much, below the
median (Iglewicz and Hoaglin, 1993)."""


class CohortEstimate(Section):
    """The mean of one metric over left-out cases.

    Attributes:
        value: the label value of the structure; None: the mean over structures.
        structure: its name.
        metric: the key of the metric.
        mean: over cases.
        low: lower end of the 95 % interval of the mean; None of fewer than six cases.
        high: upper end of it.
        cases: that were measured.
        unit: of distances.
    """

    value: int | None
    structure: str
    metric: str
    mean: float
    low: float | None = None
    high: float | None = None
    cases: int
    unit: str = "mm"

    def __str__(self) -> str:
        """For a person, such as "Dice 0.86 (0.84 to 0.88)"."""
        name = "Dice" if self.metric == "dice" else "surface distance"
        unit = "" if self.metric == "dice" else f" {self.unit}"
        told = f"{name} {self.mean:.2f}{unit}"
        if self.low is None or self.high is None:
            return told
        return f"{told} ({self.low:.2f} to {self.high:.2f})"


def estimates(found: Evaluation) -> tuple[CohortEstimate, ...]:
    """Of each structure and, where there are several, of the mean over them."""
    values = [*found.class_names, *([None] if len(found.class_names) > 1 else [])]
    every = [found.summarised(metric, value) for value in values for metric in MEASURED]
    return tuple(_estimate(each, found.unit) for each in every if each.cases)


def _estimate(summary: Summary, unit: str) -> CohortEstimate:
    low, high = mean_interval(summary.mean, summary.std, summary.cases)
    best = 1.0 if summary.metric == "dice" else math.inf
    known = summary.cases >= FEWEST
    return CohortEstimate(
        value=summary.value,
        structure="mean over structures" if summary.value is None else summary.name,
        metric=summary.metric,
        mean=summary.mean,
        low=max(low, 0.0) if known else None,
        high=min(high, best) if known else None,
        cases=summary.cases,
        unit=unit,
    )


def contradicted(dice: Mapping[str, float]) -> dict[str, float]:
    """The cases whose label members that never saw it contradict strongly, and their Dice.

    Args:
        dice: of one structure, case to the Dice of its left-out outline; NaN is left out.

    Returns:
        Those far below the others; of fewer than six cases none.

    Examples:
        >>> dice = {"a": 0.9, "b": 0.88, "c": 0.91, "d": 0.87, "e": 0.9, "f": 0.4}
        >>> contradicted(dice)
        {'f': 0.4}
    """
    known = {case: value for case, value in dice.items() if not math.isnan(value)}
    if len(known) < FEWEST:
        return {}
    values = np.array(list(known.values()))
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    return {case: v for case, v in known.items() if v < median - max(APART * spread, GAP)}
