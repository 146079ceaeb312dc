"""A round learns from what is accepted, in a process of its own, and outlines the rest."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import numpy as np
import pytest

import crln
from crln.errors import CrlnError
from crln.jobs import Jobs
from crln.reviewing import Project, begin_project, opened
from crln.reviewing.learning import Learning, Wish, curve
from crln.reviewing.overview import overview
from crln.reviewing.rounds import Order, Round, RoundProgress
from crln.reviewing.work import work


def _until(done, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def _at_rest(learning: Learning) -> dict:
    _until(lambda: not learning.running())
    return learning.status()


@pytest.fixture
def learner(project):
    """One whose rounds do nothing until they are let go."""
    go, began = threading.Event(), threading.Event()

    def do(folder: Path, number: int) -> None:
        began.set()
        assert go.wait(20)
        round = Round(project.places, number)
        round.tell(RoundProgress(stage="stopped" if round.stop.exists() else "done"))

    learning = Learning(project, jobs=Jobs(here=True), do=do)
    learning.go, learning.began = go, began
    yield learning
    go.set()
    learning.close()


def test_the_labels_of_a_round_are_those_of_its_beginning(project, learner, small):
    project.save("case_1", small.drawing(1))
    project.decide("case_1", "accepted")
    status = learner.start(Wish())
    assert (status["round"], status["running"], status["labelled"]) == (1, True, 2)
    project.undo("case_1")  # while it learns
    cohort = learner.last.cohort()
    label = next(case.label for case in cohort.labelled if case.id == "case_1")
    assert np.array_equal(nib.load(label.path).dataobj, small.drawing(1))
    learner.go.set()
    assert _at_rest(learner)["stage"] == "done"


def test_one_round_at_a_time(learner):
    learner.start(Wish())
    with pytest.raises(CrlnError, match="is learning already"):
        learner.start(Wish())


def test_a_round_that_was_stopped_is_gone_on_with_or_followed_by_another(learner):
    learner.start(Wish())
    learner.began.wait(5)
    assert learner.stop()["stopping"]
    learner.go.set()
    assert _at_rest(learner)["stage"] == "stopped"
    assert learner.start(Wish(go_on=True))["round"] == 1
    assert _at_rest(learner)["stage"] == "done"
    with pytest.raises(CrlnError, match="no round was stopped"):
        learner.start(Wish(go_on=True))
    assert learner.start(Wish(iterations=7))["round"] == 2
    assert learner.last.order().iterations == 7


def test_nothing_is_learnt_from_nothing(tmp_path, small):
    small.scan(tmp_path / "scans/a.nii.gz", np.ones(small.shape, np.int16))
    with opened(begin_project(tmp_path / "scans", say=str)) as project:
        with pytest.raises(CrlnError, match="no case is accepted"):
            Learning(project).start(Wish())
        assert Learning(project).status()["round"] == 0


def test_a_round_whose_process_ended_without_a_word_has_failed(project):
    round = Round(project.places, 1)
    round.begin(Order(), project.cohort())
    round.tell(RoundProgress(stage="training", step=3, steps=9))
    status = Learning(project).status()
    assert (status["stage"], status["running"], status["step"]) == ("failed", False, 3)
    assert "the process ended" in status["message"]


def test_a_model_is_there_from_the_first_outlines_on_however_the_round_ends(project):
    round, learning = Round(project.places, 1), Learning(project)
    round.begin(Order(), project.cohort())
    round.run.mkdir(parents=True)
    for progress, is_there in (
        (RoundProgress(stage="stopped", step=3, steps=9), False),
        (RoundProgress(stage="failed", step=3, steps=9), False),
        (RoundProgress(stage="outlining", to_outline=3), True),
        (RoundProgress(stage="stopped", outlined=1, to_outline=3), True),
        (RoundProgress(stage="done"), True),
    ):
        round.tell(progress)
        assert learning.has_model == is_there


def test_a_round_that_cannot_be_handed_to_slurm_says_why(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    learning = Learning(project, jobs=Jobs(slurm=True))
    learning.start(Wish())
    status = _at_rest(learning)
    assert status["stage"] == "failed"
    assert "slurm" in status["message"].lower()


def test_a_folder_that_is_no_round_yet_counts_for_nothing(project):
    (project.places.round(1) / "labels").mkdir(parents=True)  # killed while it began
    assert Learning(project).status()["round"] == 0
    Round(project.places, 1).begin(Order(), project.cohort())
    assert project.places.rounds() == [1]


def test_a_long_curve_is_thinned_out_and_keeps_its_end(tmp_path):
    log = tmp_path / "log.csv"
    rows = "".join(f"{step},{1 / step},0.1,nan\n" for step in range(1, 1001))
    log.write_text("step,total,seconds,validation\n" + rows)
    found = curve(log)
    assert len(found) <= 202
    assert (found[0]["step"], found[-1]["step"]) == (1, 1000)
    assert "NaN" not in json.dumps(found)  # which no page could read
    assert curve(tmp_path / "none.csv") == []


@pytest.fixture(scope="module")
def finished(phantom, tiny_plan, tmp_path_factory):
    """A project of the phantom after a round of learning, in a process of its own."""
    folder = tmp_path_factory.mktemp("learning")
    plan = tiny_plan.updated({"training": {"iterations": 3}})
    (folder / "plan.yaml").write_text(plan.to_yaml())
    usual = Order(plan="../plan.yaml", method="supervised", device="cpu")
    with opened(begin_project(phantom, folder / "project", say=str)) as project:
        learning = Learning(project, usual)
        unlabelled = [case.id for case in project.data.unlabelled]
        shape = project.values(unlabelled[0]).shape
        project.save(unlabelled[0], np.ones(shape, np.int32))
        project.decide(unlabelled[0], "accepted")
        learning.start(Wish())
        status = _at_rest(learning)
        assert status["stage"] == "done", status
        yield project, learning, unlabelled


@pytest.mark.slow
def test_a_round_outlines_what_is_not_accepted_and_nothing_else(finished):
    project, learning, unlabelled = finished
    status = learning.status()
    waiting = set(unlabelled[1:])
    assert {id for id in project.cases if project.masks.record(id)} == waiting
    assert (status["outlined"], status["to_outline"]) == (len(waiting), len(waiting))
    assert status["labelled"] == 4
    assert [row["step"] for row in status["curve"]] == [1, 2, 3]
    record = project.masks.record(unlabelled[1])
    assert set(record.volume_ml) == set(project.classes.values())
    assert all(0 <= rank <= 1 for rank in record.rank.values())
    shape = nib.load(project.case(unlabelled[1]).images[0]).shape
    assert tuple(map(len, record.doubt)) == shape
    mask = nib.load(project.places.mask(1, unlabelled[1]))
    assert mask.shape == shape
    assert (project.places.masks(1) / "cases.csv").exists()


@pytest.mark.slow
def test_the_next_round_begins_with_the_weights_of_the_last_and_learns_the_corrections(finished):
    project, learning, unlabelled = finished
    second = unlabelled[1]
    corrected = np.zeros(project.values(second).shape, np.int32)
    corrected[4:8, 4:8, 4:8] = 1
    project.save(second, corrected, round=1)
    state = project.decide(second, "accepted")
    assert state.changed is not None
    learning.usual = Order(method="supervised", device="cpu")  # no plan: that of the last round
    learning.start(Wish())
    status = _at_rest(learning)
    assert (status["round"], status["stage"], status["labelled"]) == (2, "done", 5)
    run = crln.open_run(project.places.run(2))
    assert run.plan.patch_size == crln.open_run(project.places.run(1)).plan.patch_size
    assert run.plan.training.iterations == 1  # a third of the three
    assert Path(run.facts.start_from).resolve() == project.places.run(1).resolve()
    assert second in crln.cohort.read_split(run.split)["labelled"]
    assert np.array_equal(project.values(second), corrected)  # never lost
    assert project.masks.record(unlabelled[2]).round == 2


@pytest.mark.slow
def test_a_round_in_parts_measures_itself_by_what_its_networks_never_saw(
    phantom, tiny_plan, tmp_path, monkeypatch
):
    plan = tiny_plan.updated({"training": {"iterations": 3}})
    (tmp_path / "plan.yaml").write_text(plan.to_yaml())
    usual = Order(plan="../plan.yaml", method="supervised", device="cpu")
    with opened(begin_project(phantom, tmp_path / "project", say=str)) as project:
        learning = Learning(project, usual, jobs=Jobs(here=True), do=work)
        learning.start(Wish(folds=2))
        status = _at_rest(learning)
        assert (status["stage"], status["folds"]) == ("done", 2), status
        assert project.settings.folds == 2
        assert overview(project)["folds"] == 2  # from now on
        first = crln.open_ensemble(project.places.run(1))
        left_out = {id for member in first.members for id in member.left_out}
        labelled = set(learning.last.order().labelled)
        assert left_out == labelled
        (told,) = overview(project)["rounds"]
        assert (told["estimate"]["how"], told["estimate"]["dice"]["cases"]) == (
            "left out",
            len(labelled),
        )
        new = project.data.unlabelled[0].id
        project.decide(new, "accepted")
        given: list[Any] = []
        monkeypatch.setattr(
            crln, "train_ensemble", lambda cohort, plan, *rest, **told: given.append((plan, told))
        )
        Round(project.places, 2).begin(
            Order(folds=2, start_from="runs/1", method="supervised"), project.cohort()
        )
        with pytest.raises(AttributeError):  # nothing was trained
            work(project.places.path, 2)
        ((after, told),) = given
        assert after.training.iterations == 1  # weights that each network may begin with: a third
        assert told["start_from"] == project.places.run(1)


@pytest.mark.slow
def test_a_round_is_measured_by_the_validation_cases_of_a_split(phantom, tiny_plan, tmp_path):
    whole = crln.split_cohort(crln.load_cohort(phantom), labelled=2, validation=1, seed=1)
    crln.cohort.save_split(whole, tmp_path / "split.yaml")
    (tmp_path / "plan.yaml").write_text(
        tiny_plan.updated({"training": {"iterations": 2}}).to_yaml()
    )
    places = begin_project(phantom, tmp_path / "p", split=str(tmp_path / "split.yaml"), say=str)
    project = Project(places.path)
    order = Order(plan="../plan.yaml", method="supervised", device="cpu")
    Round(places, 1).begin(order, project.cohort())
    work(places.path, 1)
    (told,) = overview(project)["rounds"]
    assert (told["estimate"]["how"], told["estimate"]["dice"]["cases"]) == ("validation", 1)


def test_more_parts_than_labels_are_as_many_as_there_are(project, learner, small):
    learner.start(Wish(folds=5))  # one label
    assert learner.last.order().folds is None
    learner.go.set()
    _at_rest(learner)
    project.save("case_1", small.drawing(1))
    project.decide("case_1", "accepted")
    assert learner.start(Wish())["folds"] == 2
    _at_rest(learner)
    assert learner.start(Wish(folds=0))["folds"] is None
    assert project.settings.folds is None


@pytest.mark.slow
def test_a_round_that_is_stopped_while_it_outlines_keeps_what_is_outlined(
    phantom, trained, tmp_path
):
    places = begin_project(phantom, tmp_path / "project", run=trained.path, say=str)
    project = Project(places.path)
    round = Round(places, 1)
    round.begin(Order(run=str(trained.path), device="cpu"), project.cohort())
    round.stop.touch()
    work(places.path, 1)
    assert round.progress().stage in ("stopped", "done")
    round.stop.unlink(missing_ok=True)
    work(places.path, 1)
    assert round.progress().stage == "done"
    assert {id for id in project.cases if project.masks.record(id)} == {
        case.id for case in project.data.unlabelled
    }


@pytest.mark.slow
def test_a_scan_that_cannot_be_outlined_is_told_and_hinders_no_other(phantom, trained, tmp_path):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(phantom, data)
    bad = sorted((data / "images").iterdir())[-1]
    places = begin_project(data, tmp_path / "project", run=trained.path, say=str)
    project = Project(places.path)
    victim = project.data.unlabelled[0]
    victim.images[0].write_bytes(b"no scan")
    Round(places, 1).begin(Order(run=str(trained.path), device="cpu"), project.cohort())
    work(places.path, 1)
    progress = Round(places, 1).progress()
    assert progress.stage == "done"
    assert len(progress.faults) == 1
    assert "truncated or not an image" in progress.faults[0]
    assert progress.outlined == len(project.data.unlabelled) - 1
    assert bad.exists()


@pytest.mark.slow
def test_archives_without_a_voxel_size_have_masks_without_a_volume(phantom, trained, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        scan = next((phantom / "images").iterdir())
        file["image"] = nib.load(scan).get_fdata(dtype=np.float32)
    data = tmp_path / "cohort.yaml"
    data.write_text("unlabelled: [a.h5]")
    places = begin_project(data, run=trained.path, split="new", say=str)
    project = Project(places.path)
    Round(places, 1).begin(Order(run=str(trained.path), device="cpu"), project.cohort())
    work(places.path, 1)
    assert project.masks.record("a").volume_ml == {}
    project.decide("a", "accepted")
    assert project.state("a").volume_ml == {}
    json.dumps(overview(project), allow_nan=False)  # as the page is told it


def test_a_round_that_cannot_begin_says_why(project):
    round = Round(project.places, 1)
    round.begin(Order(plan="nowhere.yaml"), project.cohort())
    with pytest.raises(CrlnError):
        work(project.places.path, 1)
    assert round.progress().stage == "failed"
    assert "nowhere.yaml" in round.progress().message
