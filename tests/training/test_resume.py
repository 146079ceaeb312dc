"""Going on with a run: as it was, further, at another rate, or not where something has changed."""

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from crln.cohort import Cohort, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.files import read_tensors
from crln.planning import Plan
from crln.runs import Facts, RunFolder, open_run
from crln.runs.facts import Change
from crln.runs.lifecycle import plan_differences
from crln.training import Course, Intervals, Listener, Training, train
from crln.training.log import NotFiniteError
from crln.training.resume import schedule_notes, settled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A copy whose labels may be changed."""
    root = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(phantom, root)
    return split_cohort(load_cohort(root))


def learn(cohort: Cohort, plan: Plan, out: Path, *listeners: Listener, **options: Any) -> RunFolder:
    options = {"progress": False, "intervals": Intervals(log=1, checkpoint=1), **options}
    return train(cohort, plan, out, listeners=listeners, **options)


class Noted(Listener):
    """Writes down what it is told, and asks to stop after a step."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[Any] = []
        self.stop_after = stop_after

    def prepared(self, done: int, of: int) -> None:
        self.events.append("prepared")

    def started(self, course: Course) -> None:
        self.course = course
        self.events.append(("started", course.first, course.total))

    def row(self, step: int, values: Any) -> None:
        self.events.append(("row", step))
        if step == self.stop_after:
            self.course.stop()

    def validated(self, step: int, score: float, best: bool) -> None:
        self.events.append(("validated", step, best))

    def saved(self, step: int) -> None:
        self.events.append(("saved", step))

    def finished(self, run: RunFolder) -> None:
        self.events.append(("finished", run.finished))

    def closed(self) -> None:
        self.events.append("closed")


@pytest.fixture(scope="module")
def finished(
    cohort: Cohort, tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Noted]:
    """A run of 4 steps of the labels alone, and what a listener heard."""
    folder = tmp_path_factory.mktemp("finished")
    noted = Noted()
    options = {"method": "supervised", "seed": 3, "cache": folder / "cache"}
    learn(cohort, tiny_plan, folder / "run", noted, **options)
    return folder / "run", noted


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(run / "weights.safetensors")[0]


def test_a_listener_hears_everything_in_order(finished: tuple[Path, Noted]) -> None:
    events = [event for event in finished[1].events if event != "prepared"]
    steps = [event for step in range(1, 5) for event in (("row", step), ("saved", step))]
    assert events == [("started", 0, 4), *steps, ("finished", True), "closed"]
    assert finished[1].events[0] == "prepared"


@pytest.mark.slow
def test_stopped_by_a_listener_and_resumed_is_bit_identical_to_uncut(
    finished: tuple[Path, Noted], cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    """And --resume takes method and seed from the run."""
    noted = Noted(stop_after=2)
    run = learn(cohort, tiny_plan, tmp_path / "run", noted, method="supervised", seed=3)
    assert not run.finished
    assert noted.events[-3:] == [("row", 2), ("saved", 2), "closed"]
    resumed = learn(cohort, tiny_plan, tmp_path / "run", resume=True)
    assert resumed.finished
    ours, theirs = weights(run.path), weights(finished[0])
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.slow
def test_a_finished_run_goes_further_with_more_steps(
    finished: tuple[Path, Noted], cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    path, noted = copied(finished[0], tmp_path / "run"), Noted()
    longer = tiny_plan.updated({"training": {"iterations": 6}})
    run = learn(cohort, longer, path, noted, resume=True)
    assert run.finished
    assert ("started", 4, 6) in noted.events
    assert [row["step"] for row in csv.DictReader(run.log.read_text().splitlines())] == list(
        "123456"
    )
    assert run.plan.training.iterations == 6
    change = Change(step=4, field="training.iterations", before=4, now=6)
    assert open_run(path).facts.changes == (change,)
    (note,) = noted.course.notes
    assert "goes on after step 4 with training.iterations 4 -> 6" in note
    assert any(not torch.equal(weights(path)[n], t) for n, t in weights(finished[0]).items())


@pytest.mark.slow
def test_the_plan_of_the_folder_itself_may_be_given_another_rate(
    finished: tuple[Path, Noted], cohort: Cohort, tmp_path: Path
) -> None:
    """Edited in place, as the line about a loss that is not finite says."""
    path = copied(finished[0], tmp_path / "run")
    plan = Plan.read(path / "plan.yaml").updated({"training": {"lr": 0.0001}})
    (path / "plan.yaml").write_text(plan.to_yaml())
    longer = plan.updated({"training": {"iterations": 5}})
    run = learn(cohort, longer, path, resume=True)
    fields = {change.field: change.now for change in run.facts.changes}
    assert fields == {"training.iterations": 5, "training.lr": 0.0001}
    last = list(csv.DictReader(run.log.read_text().splitlines()))[-1]
    assert float(last["lr"]) == pytest.approx(0.0001 * (1 / 5) ** 0.9)


@pytest.mark.slow
def test_a_loss_that_was_not_finite_is_mended_by_a_lower_rate(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crln.methods.supervised import Supervised

    original = Supervised.losses

    def diverging(self: Any, labelled: Any, unlabelled: Any, step: Any) -> Any:
        losses = original(self, labelled, unlabelled, step)
        lost = step.index == 2 and self.plan.training.lr > 0.001
        return {"total": losses["total"] * (float("nan") if lost else 1.0)}

    monkeypatch.setattr(Supervised, "losses", diverging)
    plan = tiny_plan.updated({"training": {"lr": 0.01}})
    with pytest.raises(NotFiniteError, match=r"lower training.lr in the plan and --resume"):
        learn(cohort, plan, tmp_path / "run", method="supervised")
    lower = plan.updated({"training": {"lr": 0.001}})
    run = learn(cohort, lower, tmp_path / "run", resume=True)
    assert run.finished
    (change,) = run.facts.changes
    assert (change.step, change.field, change.before, change.now) == (2, "training.lr", 0.01, 0.001)


def test_a_label_that_has_changed_is_named(
    finished: tuple[Path, Noted], cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    path = copied(finished[0], tmp_path / "run")
    case = cohort.labelled[0]
    assert case.label is not None
    before = case.label.path.read_bytes()
    other = cohort.labelled[1].label
    assert other is not None
    case.label.path.write_bytes(other.path.read_bytes())
    longer = tiny_plan.updated({"training": {"iterations": 6}})
    try:
        with pytest.raises(CrlnError, match=f"the label of {case.id} has changed.*--start-from"):
            learn(cohort, longer, path, resume=True)
    finally:
        case.label.path.write_bytes(before)


@pytest.mark.slow
def test_start_from_has_no_labelled_start_and_says_whence(
    finished: tuple[Path, Noted], cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan = tiny_plan.updated({"training": {"iterations": 1, "labelled_start": 0.4}})
    noted = Noted()
    run = learn(
        cohort, plan, tmp_path / "run", noted, method="mean_teacher", start_from=finished[0]
    )
    assert run.plan.training.labelled_start == 0
    assert run.facts.start_from == str(finished[0])
    assert noted.course.phases[0].last == 0
    assert f"weights taken from {finished[0]}" in noted.course.notes[0]


@pytest.mark.parametrize(
    ("asked", "fault"),
    [({"seed": 1}, "seed 3, not 1"), ({"method": "crln"}, "method supervised, not crln")],
)
def test_what_is_asked_for_must_be_the_runs(
    finished: tuple[Path, Noted], asked: dict[str, Any], fault: str
) -> None:
    with pytest.raises(CrlnError, match=f"the run has {fault}; resume it with its own"):
        settled(Training(resume=True, **asked), Plan(), finished[0])


def test_what_is_left_open_is_settled(tmp_path: Path, finished: tuple[Path, Noted]) -> None:
    new, _ = settled(Training(), Plan(), tmp_path / "new")
    assert (new.method, new.seed, new.precision) == ("crln", 0, "32")
    begun, _ = settled(Training(resume=True), Plan(), finished[0])
    assert (begun.method, begun.seed, begun.precision) == ("supervised", 3, "32")


def test_differences_are_named_by_their_fields() -> None:
    ours = Plan()
    theirs = ours.updated({"training": {"lr": 0.1}, "options": {"crln": {"queries": 8}}})
    assert plan_differences(ours, ours) == {}
    assert plan_differences(ours, theirs) == {
        "training.lr": (ours.training.lr, 0.1), "options.crln": (None, {"queries": 8}),
    }  # fmt: skip


def test_the_note_tells_the_rate_before_and_after() -> None:
    plan = Plan().updated({
        "training": {"iterations": 8, "lr": 0.4, "power": 1.0, "labelled_start": 0.75},
    })  # fmt: skip
    change = Change(step=4, field="training.iterations", before=5, now=8)
    facts = Facts(method="crln", seed=0, changes=(change,))
    (note,) = schedule_notes(RunFolder(Path("run"), plan, facts), 4)
    assert "next step is 0.2 (was to be 0.08)" in note
    assert "labels alone teach until step 6" in note
    assert schedule_notes(RunFolder(Path("run"), plan, facts), 5) == []


@pytest.mark.slow
def test_old_checkpoints_know_no_origin_and_go_on(
    finished: tuple[Path, Noted], cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    """As do facts without a format."""
    from crln.files import write_tensors

    path = copied(finished[0], tmp_path / "run")
    tensors, notes = read_tensors(path / "checkpoint.safetensors")
    write_tensors(path / "checkpoint.safetensors", tensors, {"progress": notes["progress"]})
    facts = yaml.safe_load((path / "run.yaml").read_text())
    del facts["format"]
    (path / "run.yaml").write_text(yaml.safe_dump(facts))
    longer = tiny_plan.updated({"training": {"iterations": 5}})
    run = learn(cohort, longer, path, resume=True)
    assert run.finished
    assert run.facts.format == 1
    run.load_network()
