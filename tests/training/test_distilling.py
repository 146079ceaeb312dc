"""One network taught by an ensemble: by whose outlines, and how often they are made."""

import csv
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

import crln
from crln.cohort import Cohort, load_cohort, read_split, save_split, split_cohort
from crln.errors import CrlnError
from crln.files import read_tensors
from crln.methods import build_method
from crln.planning import Plan
from crln.runs import EnsembleFolder, Facts, Member, RunFolder, open_run
from crln.runs.share import share
from crln.training import Course, Intervals, Listener, Training, train, train_ensemble
from crln.training.distilling import OUTLINES, with_outlines

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(phantom, root)
    return root


@pytest.fixture(scope="module")
def cohort(data: Path) -> Cohort:
    """Two labelled, one whose label is out of reach and three without, two of the test."""
    return split_cohort(load_cohort(data), labelled=2, seed=0)


@pytest.fixture
def teacher(cohort: Cohort, tiny_plan: Plan, tmp_path: Path) -> Path:
    """Two members with drawn weights, of the cohort's split."""
    path = tmp_path / "teacher"
    members = tuple(Member(folder=f"member-{i}", seed=i) for i in (1, 2))
    for member in members:
        torch.manual_seed(member.seed)
        facts = Facts(format=1, method="supervised", seed=member.seed)
        run = RunFolder(path / member.folder, tiny_plan, facts)
        run.path.mkdir(parents=True)
        run.write_facts()
        run.save_weights(dict(build_method("supervised", tiny_plan).predictor().state_dict()))
    EnsembleFolder(path, tiny_plan, "supervised", 1, members).write()
    save_split(cohort, path / "split.yaml")
    return path


def taught_by(teacher: Path, **fields: Any) -> Training:
    return Training(distil=teacher, device="cpu", progress=False, **fields)


opened: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if opened is not None and event in ("open", "crln.read"):
        opened.append(str(arguments[0]))


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is opened from here on."""
    if not getattr(sys, "_heard_by_distilling", False):
        sys.addaudithook(_hear)
        monkeypatch.setattr(sys, "_heard_by_distilling", True, raising=False)
    heard: list[str] = []
    monkeypatch.setattr(sys.modules[__name__], "opened", heard)
    return heard


def test_every_scan_to_learn_from_has_the_ensemble_s_outline_and_no_label_is_opened(
    teacher: Path, cohort: Cohort, tiny_plan: Plan, files: list[str]
) -> None:
    found = with_outlines(cohort, tiny_plan, taught_by(teacher))
    assert not any(case.draft for case in (*found.validation, *found.test))
    unread = {*(str(path) for case in cohort.test for path in case.images)}
    unread |= {str(path) for path in (cohort.root / "labels").iterdir()}
    assert not unread & set(files)
    predictor = crln.load_predictor(teacher, "cpu")
    for case in found.training:
        assert case.draft
        assert case.draft.kind == "draft"
        mask = np.asarray(nib.load(case.draft.path).dataobj)
        assert np.array_equal(mask, predictor.predict(case.images).mask)


def test_an_outline_is_made_once_and_anew_where_scan_or_teacher_changed(
    teacher: Path, cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    first = with_outlines(cohort, tiny_plan, taught_by(teacher))
    made = {path: path.stat().st_mtime_ns for path in (teacher / OUTLINES).glob("*.nii.gz")}
    assert len(made) == len(cohort.training)

    def anew() -> set[str]:
        return {path.name for path, time in made.items() if path.stat().st_mtime_ns != time}

    with_outlines(cohort, tiny_plan, taught_by(teacher))
    assert not anew()
    scan = cohort.unlabelled[0].images[0]
    changed = nib.load(scan)
    other = tmp_path / scan.name
    nib.save(nib.Nifti1Image(changed.get_fdata(dtype=np.float32) * 2, changed.affine), other)
    moved = replace(cohort.unlabelled[0], images=(other,))
    cut_off = first.labelled[0].draft
    assert cut_off
    cut_off.path.unlink()
    grown = replace(cohort, unlabelled=(moved, *cohort.unlabelled[1:]))
    with_outlines(grown, tiny_plan, taught_by(teacher))
    assert anew() == {scan.name, cut_off.path.name}
    run = open_run(teacher / "member-1")
    tensors = read_tensors(run.weights)[0]
    run.save_weights({name: tensor * 1.5 for name, tensor in tensors.items()})
    with_outlines(grown, tiny_plan, taught_by(teacher))
    assert len(anew()) == len(made)


class Stopping(Listener):
    """Stops after the second step."""

    def started(self, course: Course) -> None:
        self.course = course

    def row(self, step: int, values: Any) -> None:
        if step == 2:
            self.course.stop()


def test_it_learns_from_all_scans_and_goes_on_exactly(
    teacher: Path, cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    options = taught_by(teacher, intervals=Intervals(log=1, checkpoint=1))
    whole = train(cohort, tiny_plan, tmp_path / "whole", options)
    assert whole.finished
    assert (whole.facts.method, whole.facts.distil) == ("supervised", str(teacher))
    assert whole.facts.unlabelled == len(cohort.training)
    assert whole.plan.options["supervised"] == {"drafts": 1.0}
    with whole.log.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(float(row["distilled"]) > 0 for row in rows)
    train(cohort, tiny_plan, tmp_path / "cut", options, listeners=[Stopping()])
    resumed = train(
        cohort, whole.plan, tmp_path / "cut",
        Training(resume=True, progress=False, device="cpu", intervals=options.intervals),
    )  # fmt: skip
    ours, theirs = (read_tensors(run.weights)[0] for run in (whole, resumed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert read_split(whole.split) == read_split(teacher / "split.yaml")
    predicted = crln.load_predictor(whole.path, "cpu").predict(cohort.test[0].images)
    assert predicted.mask.shape


def test_what_would_leak_or_cannot_be_is_refused(
    teacher: Path, cohort: Cohort, tiny_plan: Plan, tmp_path: Path
) -> None:
    held = cohort.unlabelled[-1]
    other = replace(cohort, unlabelled=cohort.unlabelled[:-1], test=(*cohort.test, held))
    with pytest.raises(CrlnError, match=f"has learnt from {held.id}, which is kept for test here"):
        with_outlines(other, tiny_plan, taught_by(teacher))
    with_outlines(other, tiny_plan, taught_by(share(teacher, tmp_path / "model")))
    with pytest.raises(CrlnError, match="--distil teaches by --method supervised, not crln"):
        train(cohort, tiny_plan, tmp_path / "run", taught_by(teacher, method="crln"))
    with pytest.raises(CrlnError, match="leave out --transductive"):
        train(cohort, tiny_plan, tmp_path / "run", taught_by(teacher, transductive=True))
    with pytest.raises(CrlnError, match="one network of an ensemble; leave out --folds"):
        train_ensemble(cohort, tiny_plan, tmp_path / "run", taught_by(teacher), folds=2)
    names = {"labels": {"values": [0, 1, 2], "names": ["background", "a", "b"]}}
    with pytest.raises(CrlnError, match=r"outlines other classes \(background, .* leave out"):
        with_outlines(cohort, tiny_plan.updated(names), taught_by(teacher))
    drafts = tiny_plan.updated({"options": {"supervised": {"drafts": 1.0}}})
    with pytest.raises(CrlnError, match=r"has no draft, .* give --distil an ensemble"):
        train(cohort, drafts, tmp_path / "run", method="supervised", progress=False)
    shutil.rmtree(teacher / OUTLINES, ignore_errors=True)
    (teacher / OUTLINES).write_text("in the way")
    with pytest.raises(CrlnError, match=r"outlines: cannot be made .* give a copy of"):
        with_outlines(cohort, tiny_plan, taught_by(teacher))
    (teacher / "member-2" / "seal.json").unlink()
    with pytest.raises(CrlnError, match=r"seal\.json"):
        with_outlines(cohort, tiny_plan, taught_by(teacher))
    assert not (tmp_path / "run").exists()


def test_the_command_takes_the_ensemble_s_split_and_plan(
    teacher: Path, data: Path, tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    out = tmp_path / "small"
    words = ["train", data, "--out", out, "--distil", teacher, "--iterations", 2]
    result = command_line(*words)
    assert result.code == 0, result.err
    run = open_run(out)
    assert read_split(run.split) == read_split(teacher / "split.yaml")
    assert run.plan.patch_size == (16, 16, 16)
    again = command_line("train", data, "--out", out, "--resume", "--iterations", 3)
    assert again.code == 0, again.err
    assert open_run(out).facts.distil == str(teacher)
    nowhere = command_line(*words[:3], tmp_path / "b", "--distil", tmp_path / "nowhere")
    assert "no ensemble, and no run" in nowhere.err
