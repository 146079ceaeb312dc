"""The optimiser and rates that a method was published with, and what becomes of them elsewhere."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

HIGHEST = 0.1
"""No rate is raised past this, the highest that any of the papers' code used (URPC, CPS: BraTS)."""


@dataclass(frozen=True)
class Published:
    """How a paper's code trained; SGD with momentum in most of them.

    Attributes:
        iterations: T, steps of the published training.
        lr: learning rate at its start.
        schedule: as in `plan.training`.
        source: where the facts are from, and what they leave out.
        weight_decay: L2.
        momentum: of SGD.
        optimiser: as in `plan.training`.
    """

    iterations: int
    lr: float
    schedule: Literal["poly", "step", "constant"]
    source: str
    weight_decay: float = 1e-4
    momentum: float = 0.9
    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"

    def rate(self, iterations: int) -> float:
        """The learning rate for a training of t steps: lr sqrt(T / t), at most `HIGHEST`.

        Thus lr^2 t, which tells how far t noisy steps of that size carry the weights, is as
        published. A longer training than the published one keeps its rate.
        """
        longer = max(1.0, self.iterations / iterations)
        return min(self.lr * sqrt(longer), max(self.lr, HIGHEST))

    def training(self, iterations: int) -> dict[str, Any]:
        """Changes of a plan's `training` for a budget of `iterations` steps.

        Schedules are shares of the budget everywhere, so they need no change.
        """
        return {
            "optimiser": self.optimiser,
            "lr": self.rate(iterations),
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "schedule": self.schedule,
            "labelled_start": 0.0,
            "power": 0.9,
            "warmup": 0.0,
            "gradient_clip": None,
        }
