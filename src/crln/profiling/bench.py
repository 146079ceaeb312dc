"""A training step to be timed: the real one, with scans from memory or from a cache."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning_fabric import Fabric

from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan
from crln.preparation import PreparedCase
from crln.profiling.clock import Clock
from crln.profiling.stand_in import stand_ins
from crln.profiling.watch import Call, watched
from crln.training.loop import make_step, make_streams
from crln.training.optimiser import build_optimiser
from crln.training.stream import batches_ahead

WAIT, MOVE, OTHER = "wait for data", "to the device", "other"
CASES = 4
"""Stand-ins of each kind."""


class Bench:
    """A method at work: the loop's own step, on the loop's own stream of patches.

    Args:
        plan: gives patch, batch, network, views and optimiser.
        method: a name from `crln.methods.METHODS`.
        labelled: cases to learn labels from.
        unlabelled: cases without.
        steps: how many there will be.
        fabric: device and precision; None: a processor.
    """

    def __init__(
        self,
        plan: Plan,
        method: str,
        labelled: Sequence[PreparedCase],
        unlabelled: Sequence[PreparedCase],
        steps: int,
        fabric: Fabric | None = None,
    ) -> None:
        fabric = fabric or Fabric(accelerator="cpu", devices=1)
        torch.manual_seed(0)
        self.fabric = fabric
        self.learner: Method = build_method(method, plan).to(fabric.device)
        self.learner.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.optimiser = build_optimiser(self.learner, plan.training)
        streams = make_streams(fabric, self.learner, 0, labelled, unlabelled)
        # The last hundredth of a training at most: past the labelled start, warm-ups and ramps.
        self.total = max(plan.training.iterations, 100 * steps)
        self.index = self.total - steps
        self.batches = batches_ahead(streams, self.index, self.index + steps)
        self._step = make_step(fabric, self.learner, self.optimiser)

    def take(self) -> None:
        """Takes the next step."""
        self._learn(self._move(self._wait()))
        self.index += 1

    def _wait(self) -> tuple[Batch, ...]:
        return next(self.batches)

    def _move(self, batches: tuple[Batch, ...]) -> list[Batch]:
        return [self.fabric.to_device(batch) for batch in batches]

    def _learn(self, batches: list[Batch]) -> None:
        self._step(Step(self.index, self.total, 0), batches)

    def timed(self, repeats: int) -> list[float]:
        """Takes `repeats` steps; the seconds of each."""
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            self.take()
            if self.fabric.device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        return seconds

    def by_part(self, repeats: int) -> tuple[list[float], dict[str, float]]:
        """The same, and each part's median seconds, longest first."""
        seconds, parts, clock = [], [], Clock(self.fabric.device)
        calls: list[Call] = [
            (WAIT, self, "_wait"),
            (MOVE, self, "_move"),
            (OTHER, self, "_learn"),
            ("losses", self.learner, "losses"),
            ("backward", self.fabric, "backward"),
            ("optimiser", self.optimiser, "step"),
            ("moving average", self.learner, "update"),
        ]
        with watched(self.learner, clock, calls):
            for _ in range(repeats):
                clock.seconds = {}
                seconds += self.timed(1)
                parts.append(clock.seconds)
        found = {name: median(part.get(name, 0.0) for part in parts) for name in parts[0]}
        return seconds, dict(sorted(found.items(), key=lambda item: -item[1]))

    def close(self) -> None:
        """Ends the stream."""
        self.batches.close()


@contextmanager
def bench(
    plan: Plan,
    method: str,
    steps: int,
    accelerator: str = "cpu",
    precision: Any = "32-true",
    cases: int = CASES,
) -> Iterator[Bench]:
    """A method at work on stand-ins for `steps` steps; they are removed after."""
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    with TemporaryDirectory(prefix="crln-bench-") as cache:
        known, unknown = (stand_ins(plan, Path(cache), cases, kind) for kind in (True, False))
        with closing(Bench(plan, method, known, unknown, steps, fabric)) as made:
            yield made
