"""What the loop hands from the plan to the stream and the optimiser, and what it ends with."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch.optim.optimizer import register_optimizer_step_pre_hook

from crln.cohort import Cohort, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.methods import METHODS, Step, build_method
from crln.methods.supervised import Supervised
from crln.planning import Plan
from crln.runs import RunFolder
from crln.training import Intervals, Listener, train
from crln.training.loop import make_streams
from crln.training.validation import Validation

pytestmark = pytest.mark.slow


@pytest.fixture
def cohort(phantom: Path) -> Cohort:
    """3 labelled, 3 unlabelled and 2 test cases."""
    return split_cohort(load_cohort(phantom))


def quick(cohort: Cohort, plan: Plan, out: Path, **options: Any) -> RunFolder:
    options = {"method": "supervised", "progress": False, **options}
    return train(cohort, plan, out, **options)


class Scan:
    """A stand-in for a prepared case: one foreground voxel, in a corner."""

    drafted, sparse, known, known_voxels = False, False, None, None
    id, shape, voxel = "scan", (64, 64, 64), np.array([[60, 5, 30]])
    foreground = {1: voxel}  # noqa: RUF012

    def __init__(self) -> None:
        self.hits: list[bool] = []

    def read(self, start: Any, size: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        there = self.voxel - np.array(start)
        self.hits.append(bool(((there >= 0) & (there < size)).all()))
        image, label = np.zeros((1, *size), np.float32), np.zeros(size, np.int64)
        return image, label, np.ones(size, bool)


def test_the_optimiser_steps_at_the_rates_of_the_schedule_and_the_log_tells_them(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    training = {"lr": 0.01, "schedule": "poly", "power": 1.0, "iterations": 4}
    rates: list[float] = []
    handle = register_optimizer_step_pre_hook(
        lambda optimiser, *_: rates.append(optimiser.param_groups[0]["lr"])
    )
    run = quick(
        cohort, tiny_plan.updated({"training": training}), tmp_path / "run",
        intervals=Intervals(log=1),
    )  # fmt: skip
    handle.remove()
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    logged = [float(row["lr"]) for row in csv.DictReader(run.log.read_text().splitlines())]
    assert logged == pytest.approx(rates)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_plans_share_of_foreground_reaches_the_labelled_stream_alone(
    tiny_plan: Plan, share: float
) -> None:
    plan = tiny_plan.updated({"training": {"foreground": share, "labelled": 1, "unlabelled": 1}})
    scans = Scan(), Scan()
    streams = make_streams(
        Fabric(accelerator="cpu", devices=1), build_method("mean_teacher", plan), 0,
        [scans[0]], [scans[1]],  # type: ignore[list-item]
    )  # fmt: skip
    for stream in streams:
        for step in range(20):
            stream.cut(step)
    labelled, unlabelled = (scan.hits for scan in scans)
    assert len(labelled) == len(unlabelled) == 20
    assert all(labelled) == (share == 1.0)
    assert not all(unlabelled)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_sees_as_many_patches_a_step(tiny_plan: Plan, method: str) -> None:
    """`supervised` takes labelled ones in place of the unlabelled, or no table would be fair."""
    plan = tiny_plan.updated({"training": {"labelled": 2, "unlabelled": 3}})
    learner = build_method(method, plan)
    streams = make_streams(Fabric(accelerator="cpu", devices=1), learner, 0, [Scan()], [Scan()])  # type: ignore[list-item]
    seen = [len(stream.cut(0).images) for stream in streams]
    assert seen == ([2, 3] if learner.uses_unlabelled else [5])


@pytest.mark.parametrize("transductive", [False, True])
def test_test_and_validation_scans_teach_only_where_that_is_asked_for(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, transductive: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    taught: set[str] = set()

    def noted(fabric: Fabric, learner: Any, seed: int, labelled: Any, pool: Any) -> Any:
        taught.update(case.id for case in pool)
        return make_streams(fabric, learner, seed, labelled, pool)

    monkeypatch.setattr("crln.training.loop.make_streams", noted)
    plan = tiny_plan.updated({"training": {"iterations": 1}})
    run = quick(
        cohort, plan, tmp_path / "run", method="mean_teacher", transductive=transductive
    )  # fmt: skip
    kept_out = {case.id for case in cohort.test}
    expected = {case.id for case in cohort.unlabelled} | (kept_out if transductive else set())
    assert taught == expected
    assert run.facts.unlabelled == len(expected)
    assert run.facts.seen
    assert run.facts.seen.low.spacing <= run.facts.seen.high.spacing
    assert run.facts.outlined
    assert [seen.labels for seen in run.facts.outlined.structures.values()] == [3, 3]
    assert run.facts.features
    assert run.facts.features.scans == 3 + len(expected)


def test_the_weights_at_the_end_are_those_that_scored_best(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, seen = iter([0.2, 0.9, 0.1, 0.3]), []

    def score(self: Validation, method: Any) -> float:
        seen.append({k: v.clone() for k, v in method.predictor().state_dict().items()})
        return next(scores)

    monkeypatch.setattr(Validation, "score", score)
    cohort = split_cohort(load_cohort(phantom), validation=1)
    run = quick(cohort, tiny_plan, tmp_path / "run", intervals=Intervals(validation=1))
    kept = run.load_network().state_dict()
    assert len(seen) == 4
    assert all(torch.equal(kept[name], tensor) for name, tensor in seen[1].items())
    assert any(not torch.equal(kept[name], tensor) for name, tensor in seen[3].items())
    assert run.facts.chosen == "validation: Dice 0.9000 after step 2"


def test_checkpoints_come_by_time_at_the_rows_of_the_log(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    class Noted(Listener):
        steps: list[int] = []  # noqa: RUF012

        def saved(self, step: int) -> None:
            self.steps.append(step)

    plan = tiny_plan.updated({"training": {"iterations": 5}})
    intervals = Intervals(log=2, checkpoint=1000, seconds=0)
    quick(cohort, plan, tmp_path / "run", intervals=intervals, listeners=[Noted()])
    assert Noted.steps == [2, 4, 5]
    assert Intervals().seconds == 300


@pytest.mark.parametrize(
    ("early", "late", "line"),
    [
        (("loss",), ("loss",), r"method Supervised: none of its losses \(loss\) is called total"),
        (("total",), ("total", "late"), "has the losses total, late, those before it had total; "),
        (("total", "early"), ("total", "late"), "total, late, those before it had total, early; "),
    ],
)
def test_losses_of_a_method_that_cannot_be_logged_are_told(
    early: tuple[str, ...], late: tuple[str, ...], line: str, cohort: Cohort, tiny_plan: Plan,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As of somebody else's method, with another table after its labelled start."""
    losses = Supervised.losses

    def theirs(self: Supervised, labelled: Any, unlabelled: Any, step: Step) -> dict[str, Any]:
        names = early if step.index < 2 else late
        return dict.fromkeys(names, losses(self, labelled, unlabelled, step)["total"])

    monkeypatch.setattr(Supervised, "losses", theirs)
    with pytest.raises(CrlnError, match=line):
        quick(cohort, tiny_plan, tmp_path / "run")


def test_freed_memory_is_kept_as_on_the_command_line(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("crln.training.start.keep_freed_memory", lambda: asked.append(True))
    with pytest.raises(CrlnError):
        quick(Cohort(cohort.root, "folders"), tiny_plan, tmp_path / "run")
    assert asked == [True]
