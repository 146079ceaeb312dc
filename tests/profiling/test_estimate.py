"""The time that a training will take: steps of each phase, timed on the loop's own step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crln.planning import Plan
from crln.profiling import estimate_training, steps_within
from crln.profiling.bench import Bench


class Timed:
    """A bench whose steps take the seconds that it was given."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds, self.index, self.taken = seconds, 996, list[int]()

    def timed(self, repeats: int) -> list[float]:
        self.taken.append(self.index)
        self.index += 1
        return [self.seconds.pop(0)]


@pytest.mark.parametrize(
    ("method", "seconds", "phases", "total"),
    [
        ("crln", [1.5, 0.5, 1.8, 1.0], ((400, 0.5), (600, 1.0)), 800.0),
        ("crln", [5.0, 9.0], ((400, 5.0), (600, 9.0)), 7400.0),  # long steps: one each
        ("supervised", [0.6, 0.5], ((1000, 0.5), (0, 0.0)), 500.0),
    ],
)
def test_both_phases_count(
    method: str, seconds: list[float], phases: Any, total: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Timed(seconds)

    @contextmanager
    def bench(*_: Any, **__: Any) -> Iterator[Timed]:
        yield made

    monkeypatch.setattr("crln.profiling.estimate.bench", bench)
    plan = Plan().updated({"training": {"iterations": 1000, "labelled_start": 0.4}})
    found = estimate_training(plan, method)
    assert (found.labels_alone, found.all_scans) == phases
    assert found.seconds == total
    assert made.taken[0] == 0  # the first step of the labels alone
    assert method == "supervised" or 996 in made.taken  # one past the labelled start


def test_hours_are_as_many_steps_as_fit_beside_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.4 of the steps at 0.5 s and 0.6 at 1 s are 0.8 s each; 95 % of an hour is 3420 s."""
    made = Timed([1.5, 0.5, 1.8, 1.0])

    @contextmanager
    def bench(*_: Any, **__: Any) -> Iterator[Timed]:
        yield made

    monkeypatch.setattr("crln.profiling.estimate.bench", bench)
    steps, each = steps_within(Plan(), 3600)
    assert (steps, each) == (4275, pytest.approx(0.8))


@pytest.mark.slow
def test_real_steps_of_both_phases_are_taken(
    tiny_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []
    take = Bench.take

    def noted(self: Bench) -> None:
        steps.append(self.index / self.total)
        take(self)

    monkeypatch.setattr(Bench, "take", noted)
    found = estimate_training(tiny_plan.updated({"training": {"iterations": 100}}))
    assert found.seconds > 0
    assert min(steps) < 0.4 < max(steps)
