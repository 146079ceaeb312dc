"""How long a training will take here, from a few steps on scans made for it."""

from dataclasses import dataclass
from typing import Any

from crln.methods import find_method
from crln.methods.base import SemiSupervised
from crln.planning import Plan
from crln.profiling.bench import Bench, bench

RESERVED = 0.05
"""Of the hours that a training may take, for preparation and validation."""

MANY = 1000
"""Steps whose phases stand for those of any training: both are shares of it."""

LONG = 2.0
"""Seconds of a first step from which what it takes only once counts for nothing."""


@dataclass(frozen=True)
class Estimate:
    """Steps of each phase, and the seconds of one.

    Attributes:
        labels_alone: steps and seconds of a step where labels alone teach.
        all_scans: the same where unlabelled scans do, too.
    """

    labels_alone: tuple[int, float]
    all_scans: tuple[int, float]

    @property
    def seconds(self) -> float:
        """Of the whole training, without the preparation of scans and validation."""
        return sum(steps * each for steps, each in (self.labels_alone, self.all_scans))


def estimate_training(
    plan: Plan, method: str = "crln", *, accelerator: str = "cpu", precision: Any = "32-true"
) -> Estimate:
    """Takes one or two steps of each phase of a training; seconds, on a processor up to a minute.

    Args:
        plan: gives patch, batch, network, views and budget.
        method: a name from `crln.methods.METHODS`.
        accelerator: "cpu", "cuda" or "mps".
        precision: as Fabric names it.

    Examples:
        >>> plan = crln.open_run("run").plan
        >>> crln.estimate_training(plan, "supervised").seconds > 0
        True
    """
    kind, total = find_method(method), plan.training.iterations
    start = 0 if kind.uses_unlabelled else total
    if issubclass(kind, SemiSupervised):
        start = round(plan.training.labelled_start * total)
    seconds = [0.0, 0.0]
    with bench(plan, method, 4, accelerator, precision, cases=1) as made:
        for phase, (steps, index) in enumerate(((start, 0), (total - start, made.index))):
            if steps:
                made.index = index
                seconds[phase] = _step(made)
    return Estimate((start, seconds[0]), (total - start, seconds[1]))


def steps_within(
    plan: Plan,
    seconds: float,
    method: str = "crln",
    *,
    accelerator: str = "cpu",
    precision: Any = "32-true",
) -> tuple[int, float]:
    """How many steps of a training take so long here, and the seconds of one, on average.

    A twentieth of the time is left for what is not steps: scans to prepare, validation.

    Args:
        plan: gives all but how many steps there are.
        seconds: for the whole training.
        method: a name from `crln.methods.METHODS`.
        accelerator: "cpu", "cuda" or "mps".
        precision: as Fabric names it.
    """
    many = plan.updated({"training": {"iterations": MANY}})
    found = estimate_training(many, method, accelerator=accelerator, precision=precision)
    each = found.seconds / MANY
    return max(1, int((1 - RESERVED) * seconds / each)), each


def _step(made: Bench) -> float:
    """Seconds of a step; of the second one where the first was short."""
    first = made.timed(1)[0]
    return first if first > LONG else min(first, made.timed(1)[0])
