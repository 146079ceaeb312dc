"""The training step as the loop takes it, by part, and what limits it."""

from dataclasses import dataclass
from typing import Any

import torch

from crln.memory import GIB, installed_gib, page_faults, peak_gib
from crln.planning import Plan
from crln.profiling.bench import WAIT, bench
from crln.profiling.clock import Timing
from crln.profiling.work import Rates, Work, count_work, device_rates

WAITING = 0.02
"""Share of a step from which waiting for data counts as what limits it."""
LITTLE = 0.2
"""Share of a step below which neither arithmetic nor memory explains it."""


@dataclass(frozen=True)
class StepProfile:
    """A training step, measured.

    Attributes:
        step: seconds of whole steps, the wait for data included.
        parts: seconds of each part, medians; on a GPU their sum is more than a step, as each is
            waited for.
        work: what one step computes and moves.
        rates: of the device; None: not measured.
        peak_gib: the most memory held: of this process, or of its share of a GPU.
        capacity_gib: what there is of it.
        page_faults: a step.
        iterations: of the plan.
    """

    step: Timing
    parts: dict[str, float]
    work: Work
    rates: Rates | None
    peak_gib: float
    capacity_gib: float
    page_faults: int
    iterations: int

    @property
    def hours(self) -> float:
        """Of the plan's iterations."""
        return self.step.median * self.iterations / 3600

    @property
    def floors(self) -> dict[str, float]:
        """Seconds that each of three things would take if it alone limited the step."""
        found = {"data": self.parts[WAIT]}
        if self.rates:
            found["arithmetic"] = self.work.flops / self.rates.flops
            found["memory"] = self.work.bytes / self.rates.bytes
        return found

    @property
    def limit(self) -> str:
        """What to look at first: "data", "arithmetic", "memory" (its traffic) or "overhead"."""
        floors = self.floors
        if floors["data"] > WAITING * self.step.median:
            return "data"
        largest = max(floors, key=lambda name: floors[name])
        return largest if floors[largest] > LITTLE * self.step.median else "overhead"


def profile_step(
    plan: Plan,
    method: str = "crln",
    *,
    accelerator: str = "cpu",
    precision: Any = "32-true",
    repeats: int = 5,
    rates: bool = True,
) -> StepProfile:
    """Measures a training step of a method on stand-in scans of a plan.

    Args:
        plan: gives patch, batch, network, views and optimiser.
        method: a name from `crln.methods.METHODS`.
        accelerator: "cpu" or "cuda".
        precision: as Fabric names it.
        repeats: steps that are timed, after two that are not.
        rates: measure those of the device too.

    Examples:
        >>> plan = crln.open_run("run").plan
        >>> profile = crln.profile_step(plan, "supervised", repeats=1, rates=False)
        >>> profile.step.median > 0, "backward" in profile.parts
        (True, True)
    """
    gpu = accelerator == "cuda"
    with bench(plan, method, 2 + repeats * (1 + gpu), accelerator, precision) as made:
        made.take()
        work = count_work(made.take)
        before = page_faults()
        undisturbed = made.timed(repeats) if gpu else []
        seconds, parts = made.by_part(repeats)
        faults = page_faults() - before
    held, capacity = peak_gib(), installed_gib()
    if gpu:
        held = torch.cuda.max_memory_allocated() / GIB
        capacity = torch.cuda.get_device_properties(0).total_memory / GIB
    return StepProfile(
        Timing.of(undisturbed or seconds), parts, work,
        device_rates(accelerator) if rates else None,
        held, capacity, faults // (repeats * (1 + gpu)), plan.training.iterations,
    )  # fmt: skip
