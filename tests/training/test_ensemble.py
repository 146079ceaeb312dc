"""Ensembles: their members, what each leaves out, and what that tells."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crln.cohort import Cohort, load_cohort, read_split
from crln.cohort.folds import leave_out
from crln.errors import CrlnError
from crln.evaluation import evaluate
from crln.imaging import read_label
from crln.inference import load_predictor
from crln.jobs import Jobs
from crln.planning import Plan
from crln.runs import EnsembleFolder, Member, open_ensemble, open_run
from crln.training import Course, Listener, out_of_fold, train, train_ensemble

pytestmark = pytest.mark.slow
THREE: dict[str, Any] = {"method": "supervised", "folds": 3, "progress": False}


@pytest.fixture(scope="module")
def cohort(phantom: Path) -> Cohort:
    return load_cohort(phantom)


@pytest.fixture(scope="module")
def ensemble(
    cohort: Cohort, tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> EnsembleFolder:
    """Three members of two steps, a fold each."""
    folder = tmp_path_factory.mktemp("ensemble")
    plan = shorter(tiny_plan)
    return train_ensemble(cohort, plan, folder / "three", cache=folder / "cache", say=str, **THREE)


def shorter(plan: Plan, steps: int = 2) -> Plan:
    return plan.updated({"training": {"iterations": steps}})


def test_each_member_is_an_ordinary_run_that_never_saw_its_fold(
    ensemble: EnsembleFolder, cohort: Cohort
) -> None:
    assert ensemble.finished
    assert open_ensemble(ensemble.path) == ensemble
    left_out = [id for member in ensemble.members for id in member.left_out]
    assert sorted(left_out) == sorted(case.id for case in cohort.labelled)
    for seed, member in enumerate(ensemble.members):
        run = open_run(ensemble.folder(member))
        split = read_split(run.split)
        assert run.facts.seed == member.seed == seed
        assert not set(member.left_out) & {*split["labelled"], *split["unlabelled"]}
        assert set(member.left_out) <= set(split["test"])


def test_the_prediction_is_the_mean_of_the_members(
    ensemble: EnsembleFolder, cohort: Cohort
) -> None:
    scan = cohort.test[0].images
    each = [load_predictor(ensemble.folder(member)) for member in ensemble.members]
    wanted = np.mean([p.predict(scan, probabilities=True).probabilities for p in each], axis=0)
    together = load_predictor(ensemble.path).predict(scan, probabilities=True)
    np.testing.assert_allclose(together.probabilities, wanted, atol=1e-5)


def test_left_out_cases_are_measured_by_the_member_that_never_saw_them(
    ensemble: EnsembleFolder, cohort: Cohort, phantom: Path
) -> None:
    found = out_of_fold(ensemble, cohort, say=str)
    assert set(found.cases) == {case.id for case in cohort.labelled}
    folder = ensemble.path / "out-of-fold"
    member = ensemble.members[1]
    (id,) = member.left_out
    case = next(case for case in cohort.labelled if case.id == id)
    mask = load_predictor(ensemble.folder(member)).predict(case.images).mask
    np.testing.assert_array_equal(read_label(folder / "masks" / f"{id}.nii.gz").array[0], mask)
    again = evaluate(
        folder / "masks", phantom / "labels", classes=ensemble.plan.labels, cases=found.cases
    )
    assert again.summarised("dice").mean == found.summarised("dice").mean
    assert (folder / "metrics.csv").exists()


def test_left_out_cases_are_what_the_quality_of_outlines_is_told_by(
    ensemble: EnsembleFolder, cohort: Cohort
) -> None:
    found = out_of_fold(ensemble, cohort, say=str)
    quality = ensemble.quality
    assert quality
    (member, *_) = ensemble.members
    (id,) = member.left_out
    case = next(case for case in cohort.labelled if case.id == id)
    alone = load_predictor(ensemble.folder(member)).predict(case.images)
    for value, name in ensemble.plan.labels.structures.items():
        points = quality.structures[name]
        place = points.cases.index(id)
        assert points.dice[place] == pytest.approx(found.values("dice", value)[id], abs=1e-5)
        assert points.signals["sure"][place] == pytest.approx(alone.signals[name].sure, abs=1e-5)
    assert [each.cases for each in quality.estimate if each.metric == "dice"] == [3] * 3
    table = (ensemble.path / "out-of-fold/cases.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(table.splitlines()))
    assert [(line["case"], line["class"]) for line in lines] == [
        (row.case, row.name) for row in found.rows
    ]
    assert float(lines[0]["sure"]) == pytest.approx(
        quality.structures["head"].signals["sure"][0], abs=1e-5
    )
    # Three cases are too few for a Dice: a rank alone, of members and of all together.
    together = load_predictor(ensemble.path).predict(case.images)
    for prediction in (alone, together):
        assert not any(score.known for score in prediction.scores.values())
        assert all(0 <= score.rank <= 1 for score in prediction.scores.values())
    assert all(signals.agreement >= 0 for signals in together.signals.values())
    assert out_of_fold(ensemble, cohort, say=str).cases == found.cases
    assert ensemble.quality == quality


def test_no_estimate_without_a_case_that_was_left_out(
    ensemble: EnsembleFolder, cohort: Cohort
) -> None:
    bare = EnsembleFolder(ensemble.path, ensemble.plan, "supervised", 1, ())
    with pytest.raises(CrlnError, match="no member left a case out"):
        out_of_fold(bare, cohort, say=str)


def test_an_ensemble_that_was_cut_off_goes_on_to_the_same_weights(
    ensemble: EnsembleFolder, cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    out, plan = tmp_path / "cut", shorter(tiny_plan)
    told: list[str] = []

    def cut(line: str) -> None:
        told.append(line)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(cohort, plan, out, say=cut, **THREE)
    assert not open_ensemble(out).finished
    rest: list[str] = []
    resumed = train_ensemble(cohort, plan, out, say=rest.append, resume=True, **THREE)
    assert [line.split()[0] for line in rest] == ["member-2", "member-3"]
    for ours, theirs in zip(resumed.members, ensemble.members, strict=True):
        weights = [e.run(m).load_network().state_dict() for e, m in (
            (resumed, ours), (ensemble, theirs))]  # fmt: skip
        for name, value in weights[0].items():
            torch.testing.assert_close(value, weights[1][name], rtol=0, atol=0)
    with pytest.raises(CrlnError, match="has folds 3, not 2"):
        train_ensemble(cohort, plan, out, folds=2, resume=True, say=str)


def test_an_ensemble_goes_further_and_is_measured_anew(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    out = tmp_path / "further"
    first = train_ensemble(
        cohort, shorter(tiny_plan), out, method="supervised", folds=2, progress=False, say=str
    )
    out_of_fold(first, cohort, say=str)
    further = train_ensemble(
        cohort, shorter(tiny_plan, 3), out,
        method="supervised", folds=2, progress=False, say=str, resume=True,
    )  # fmt: skip
    assert not (out / "out-of-fold").exists()
    assert further.quality is None
    steps = [further.run(member).plan.training.iterations for member in further.members]
    assert steps == [3, 3]
    assert open_ensemble(out).plan.training.iterations == 3


def test_members_of_one_fold_learn_from_all_labels_in_processes_of_their_own(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    told: list[str] = []
    found = train_ensemble(
        cohort, shorter(tiny_plan), tmp_path / "two",
        method="supervised", folds=1, members=2, jobs=Jobs(2), say=told.append,
    )  # fmt: skip
    assert sorted(told) == ["member-1: done", "member-2: done"]
    assert [member.left_out for member in found.members] == [(), ()]
    assert [found.run(member).facts.labelled for member in found.members] == [3, 3]


def test_a_folder_that_is_something_else_is_not_replaced(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    train(cohort, shorter(tiny_plan), tmp_path / "run", method="supervised", progress=False)
    for overwrite, told in ((False, "exists already"), (True, "is no ensemble")):
        with pytest.raises(CrlnError, match=told):
            train_ensemble(
                cohort, tiny_plan, tmp_path / "run", folds=2, overwrite=overwrite, say=str
            )


def test_the_command_line_trains_measures_and_outlines(
    command_line: Callable[..., Any], phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan, out = tmp_path / "plan.yaml", tmp_path / "e"
    plan.write_text(shorter(tiny_plan).to_yaml(), encoding="utf-8")
    words = ("train", phantom, "--out", out, "--plan", plan, "--method", "supervised")
    found = command_line(*words, "--folds", 3)
    assert found.code == 0, found.err
    assert "3 labelled cases, by members that never saw them" in found.out
    assert "Dice" in found.out
    assert (out / "out-of-fold/metrics.csv").exists()
    scan = next((phantom / "images").iterdir())
    assert command_line("predict", out, scan, "--out", tmp_path / "m").code == 0
    assert command_line(*words, "--resume").code == 0  # its own folds
    alone = command_line("train", phantom, "--out", tmp_path / "f", "--plan", plan, "--folds", 1)
    assert alone.code == 2
    assert "--folds 1 is no ensemble by itself" in alone.err
    jobs = command_line("train", phantom, "--out", tmp_path / "f", "--plan", plan, "--jobs", 2)
    assert jobs.code == 2
    assert "are for the members of an ensemble" in jobs.err


def test_a_refused_command_leaves_an_ensemble_as_it_was(
    ensemble: EnsembleFolder, cohort: Cohort, tiny_plan: Plan
) -> None:
    before = {file: file.stat().st_mtime_ns for file in ensemble.path.rglob("*") if file.is_file()}
    plan = shorter(tiny_plan)
    other = plan.updated({"network": {"widths": (4, 4, 8, 8, 16)}})
    elsewhere = leave_out(cohort, [cohort.labelled[0].id])
    for told, given, how in (
        ("50 folds of 3 labelled", (cohort, plan), {"folds": 50, "overwrite": True}),
        ("has method supervised, not crln", (cohort, plan), {"method": "crln", "resume": True}),
        ("has seed 0, not 5", (cohort, plan), {"seed": 5, "resume": True}),
        ("another split", (elsewhere, plan), {"resume": True}),
        ("network.widths is", (cohort, other), {"resume": True}),
        ("give more --iterations", (cohort, shorter(tiny_plan, 1)), {"resume": True}),
    ):
        with pytest.raises(CrlnError, match=told):
            train_ensemble(*given, ensemble.path, say=str, **(THREE | how))
    after = {file: file.stat().st_mtime_ns for file in ensemble.path.rglob("*") if file.is_file()}
    assert after == before


def test_an_ensemble_that_holds_the_scans_is_not_replaced(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(phantom, out / "data")
    EnsembleFolder(out, tiny_plan, "supervised", 2, (Member(folder="member-1", seed=0),)).write()
    with pytest.raises(CrlnError, match="so it is not replaced"):
        train_ensemble(
            load_cohort(out / "data"), tiny_plan, out, say=str, **(THREE | {"overwrite": True})
        )
    assert (out / "data" / "images").is_dir()


def test_a_listener_that_stops_a_member_stops_all(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    class Stopping(Listener):
        def started(self, course: Course) -> None:
            course.stop()

    found = train_ensemble(
        cohort, shorter(tiny_plan), tmp_path / "e", say=str, listeners=[Stopping()], **THREE
    )
    assert not found.finished
    assert not found.folder(found.members[1]).exists()


def test_an_ensemble_is_not_resumed_with_another_plan(
    ensemble: EnsembleFolder, cohort: Cohort, tiny_plan: Plan
) -> None:
    other = shorter(tiny_plan).updated({"training": {"momentum": 0.5}})
    with pytest.raises(CrlnError, match=r"another plan: training\.momentum is .*another --out"):
        train_ensemble(cohort, other, ensemble.path, say=str, resume=True, **THREE)
    with pytest.raises(CrlnError, match="has 2 steps a member, 1 are asked for; give more"):
        train_ensemble(cohort, shorter(tiny_plan, 1), ensemble.path, say=str, resume=True, **THREE)


def test_an_ensemble_of_a_version_with_fewer_options_goes_on(
    cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    plan, told = shorter(tiny_plan), THREE | {"method": "mean_teacher", "members": 2, "folds": 2}
    found = train_ensemble(cohort, plan, tmp_path / "e", say=str, **told)
    options = dict(found.plan.options["mean_teacher"])
    options.popitem()
    older = found.plan.model_copy(
        update={"options": dict(found.plan.options) | {"mean_teacher": options}}
    )
    replace(found, plan=older).write()
    assert train_ensemble(cohort, plan, tmp_path / "e", say=str, **told | {"resume": True}).finished
