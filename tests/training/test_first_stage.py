"""The first stage of a training: by the same loop, in a folder of its own, cut off and resumed."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from crln.cohort import Cohort, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.files import read_tensors
from crln.methods import Method
from crln.planning import Plan
from crln.runs import Facts, RunFolder
from crln.training import Course, Intervals, Listener, loop, train
from crln.training.first_stage import scans_to_begin_with
from crln.training.options import Training
from crln.training.resume import settled
from crln.training.story import story_of

pytestmark = pytest.mark.slow

STEPS = 3


@pytest.fixture(scope="module")
def cohort(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """A copy whose labels may be changed."""
    root = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(phantom, root)
    return split_cohort(load_cohort(root))


@pytest.fixture
def plan(tiny_plan: Plan) -> Plan:
    changes = {"training": {"iterations": 2}}
    return tiny_plan.updated(changes).updated({"pretrain": {"task": "masked", "iterations": STEPS}})


def learn(cohort: Cohort, plan: Plan, out: Path, *listeners: Listener, **options: Any) -> RunFolder:
    options = {"progress": False, "page": False, "method": "mean_teacher", **options}
    each_step = Intervals(log=1, checkpoint=1)
    return train(cohort, plan, out, listeners=listeners, intervals=each_step, **options)


def same(run: RunFolder, other: RunFolder) -> bool:
    ours, theirs = (read_tensors(each.weights)[0] for each in (run, other))
    return all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def rows_of(log: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(log.read_text().splitlines()))


class StopsAt(Listener):
    """Ends the first stage after a step of it."""

    first_stage = True

    def __init__(self, step: int) -> None:
        self.step, self.events = step, list[Any]()

    def started(self, course: Course) -> None:
        self.course = course
        self.events.append((course.phases[0].name, course.first, course.total))

    def row(self, step: int, values: Any) -> None:
        self.events.append(step)
        if step == self.step and self.course.phases[0].name.startswith("first"):
            self.course.stop()


@pytest.fixture(scope="module")
def uncut(
    cohort: Cohort, tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunFolder, StopsAt]:
    changes = {"training": {"iterations": 2}}
    begun = {"pretrain": {"task": "masked", "iterations": STEPS}}
    heard = StopsAt(99)
    plan = tiny_plan.updated(changes).updated(begun)
    return learn(cohort, plan, tmp_path_factory.mktemp("uncut") / "run", heard), heard


def test_the_run_says_what_it_began_with(uncut: tuple[RunFolder, StopsAt]) -> None:
    run, heard = uncut
    assert heard.events[0] == ("first stage: masked", 0, STEPS)
    assert heard.events[1:4] == [1, 2, 3]
    assert heard.events[4][1:] == (0, 2)
    begun = Facts.read(run.path / "run.yaml").first_stage
    assert begun is not None
    assert (begun.task, begun.steps, begun.scans) == ("masked", STEPS, 6)
    rows = rows_of(run.path / "first_stage" / "log.csv")
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["lr"]) > float(rows[-1]["lr"])  # a schedule of its own
    assert [row["step"] for row in rows_of(run.log)] == ["1", "2"]


def test_the_page_shows_its_loss_and_what_the_training_began_from(
    uncut: tuple[RunFolder, StopsAt],
) -> None:
    told = story_of(uncut[0])
    assert told.panels[0].title == "First stage, loss"
    assert told.panels[0].phases == [("first stage: masked", STEPS)]
    begun = str(told.card["Method"]["begun from"])
    assert begun.startswith("a first stage, masked: 3 steps on 6 scans without labels, in 0:")


def test_cut_off_in_the_first_stage_and_resumed_it_is_bit_identical(
    uncut: tuple[RunFolder, StopsAt], cohort: Cohort, plan: Plan, tmp_path: Path
) -> None:
    run = learn(cohort, plan, tmp_path / "run", StopsAt(1))
    assert not run.finished
    assert not run.checkpoint.exists()
    heard = StopsAt(99)
    resumed = learn(cohort, plan, tmp_path / "run", heard, resume=True, method=None)
    assert resumed.finished
    assert heard.events[0][1] == 1
    assert same(resumed, uncut[0])
    assert resumed.facts.first_stage is not None


def test_what_labels_say_is_nothing_to_the_first_stage(
    uncut: tuple[RunFolder, StopsAt], cohort: Cohort, plan: Plan, tmp_path: Path
) -> None:
    """With other labels the same stage, to the bit; and another first step after it."""
    from crln.imaging import read_label, write_mask

    root = tmp_path / "data"
    shutil.copytree(cohort.root, root)
    other = split_cohort(load_cohort(root))
    for case in other.labelled:
        assert case.label is not None
        array = read_label(case.label.path).array[0]
        write_mask(case.label.path, np.flip(array, 0), case.images[0], overwrite=True)
    run = learn(other, plan, tmp_path / "run", StopsAt(STEPS))
    ours, theirs = (
        read_tensors(each.path / "first_stage" / "checkpoint.safetensors")[0]
        for each in (run, uncut[0])
    )
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    mine, before = (rows_of(each.log) for each in (run, uncut[0]))
    assert mine[0]["supervised"] != before[0]["supervised"]


def test_it_sees_each_scan_of_the_training_and_no_other(cohort: Cohort, plan: Plan) -> None:
    found = scans_to_begin_with(cohort, plan, Training())
    assert [case.id for case in found] == [case.id for case in cohort.training]
    assert all(case.mask is None for case in found)
    every = scans_to_begin_with(cohort, plan, Training(transductive=True))
    assert {case.id for case in every} - {case.id for case in found} == {
        case.id for case in cohort.test
    }
    alone = plan.updated({"pretrain": "none"})
    assert scans_to_begin_with(cohort, alone, Training()) == ()


def test_the_method_begins_with_what_was_learnt(
    cohort: Cohort, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Student and teacher: the checkpoint of the stage holds what a method's first step takes."""
    begun: list[dict[str, torch.Tensor]] = []

    make_step = loop.make_step

    def noted(fabric: Fabric, learner: Method, optimiser: torch.optim.Optimizer) -> Any:
        begun.append({name: tensor.clone() for name, tensor in learner.state_dict().items()})
        return make_step(fabric, learner, optimiser)

    monkeypatch.setattr(loop, "make_step", noted)
    run = learn(cohort, plan, tmp_path / "run")
    stage = read_tensors(run.path / "first_stage" / "checkpoint.safetensors")[0]
    before, after = begun
    theirs = "method.networks.0.backbone."
    learnt = {n.removeprefix(theirs): t for n, t in stage.items() if n.startswith(theirs)}
    assert len(learnt) > 10
    assert any(
        not torch.equal(before[f"networks.0.backbone.{name}"], tensor)
        for name, tensor in learnt.items()
    )
    for network in ("student", "teacher.network"):
        for name, tensor in learnt.items():
            assert torch.equal(after[f"{network}.backbone.{name}"], tensor), (network, name)


def test_a_run_that_starts_from_another_has_none(plan: Plan, tmp_path: Path) -> None:
    _, decided = settled(Training(start_from=tmp_path), plan, tmp_path / "run")
    assert decided.pretrain.task == "none"


def test_a_longer_budget_leaves_the_first_stage_as_it_was(
    uncut: tuple[RunFolder, StopsAt], plan: Plan
) -> None:
    """Where its steps were a share of the budget."""
    share = {"pretrain": {"iterations": None, "share": 1.5}}
    _, first = settled(Training(), plan.updated(share), uncut[0].path / "none")
    assert first.pretrain.iterations == 3
    longer = plan.updated(share).updated({"training": {"iterations": 10}})
    _, later = settled(Training(resume=True), longer, uncut[0].path)
    assert later.pretrain.iterations == 3


def test_a_scan_that_has_changed_is_told(cohort: Cohort, plan: Plan, tmp_path: Path) -> None:
    from crln.imaging import read_image, write_mask

    root = tmp_path / "data"
    shutil.copytree(cohort.root, root)
    own = split_cohort(load_cohort(root))
    learn(own, plan, tmp_path / "run", StopsAt(1))
    path = own.unlabelled[0].images[0]
    array = read_image([path]).array[0]
    write_mask(tmp_path / path.name, (array > array.mean()).astype(np.uint8), path)
    shutil.copy(tmp_path / path.name, path)
    with pytest.raises(CrlnError, match=r"the scan of .* has changed since the first stage"):
        learn(split_cohort(load_cohort(root)), plan, tmp_path / "run", resume=True, method=None)
