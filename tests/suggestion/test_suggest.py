"""Which scans to outline next: by doubt, spread; never what is held out."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

import crln
from crln.cohort import Case, Cohort, load_cohort, save_split
from crln.errors import CrlnError
from crln.methods import build_method
from crln.planning import Plan
from crln.runs import EnsembleFolder, Facts, Member, RunFolder
from crln.suggestion.doubt import Doubt, Doubter, pairwise_dice

pytestmark = pytest.mark.slow


def left(path: Path, plan: Plan, seed: int) -> Path:
    """A finished run whose network has drawn weights."""
    torch.manual_seed(seed)
    run = RunFolder(path, plan, Facts(format=1, method="supervised", seed=seed))
    path.mkdir(parents=True)
    run.write_facts()
    network = build_method("supervised", plan).predictor()
    run.save_weights(dict(network.state_dict()))
    return path


@pytest.fixture
def run(tiny_plan: Plan, tmp_path: Path) -> Path:
    return left(tmp_path / "run", tiny_plan, 0)


@pytest.fixture
def ensemble(tiny_plan: Plan, tmp_path: Path) -> Path:
    path = tmp_path / "ensemble"
    members = tuple(Member(folder=f"member-{i}", seed=i) for i in range(3))
    for member in members:
        left(path / member.folder, tiny_plan, member.seed)
    EnsembleFolder(path, tiny_plan, "supervised", 1, members).write()
    return path


@pytest.fixture
def cohort(phantom: Path) -> Cohort:
    return load_cohort(phantom)


def test_doubt_is_what_the_members_dispute(ensemble: Path, cohort: Cohort) -> None:
    scan = cohort.unlabelled[0]
    found = Doubter(ensemble, "cpu", "32").look(scan)
    members = crln.open_ensemble(ensemble)
    masks = [
        crln.load_predictor(members.folder(m), "cpu").predict(scan.images).mask
        for m in members.members
    ]
    agreed = []
    for i in range(3):
        for j in range(i + 1, 3):
            for value in (1, 2):
                a, b = masks[i] == value, masks[j] == value
                if a.any() or b.any():
                    agreed.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert found.doubt == pytest.approx(1 - np.mean(agreed))
    minority = np.zeros(masks[0].shape)
    for value in (1, 2):
        votes = sum((mask == value).astype(int) for mask in masks)
        minority += np.minimum(votes, 3 - votes) / 3
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        np.testing.assert_allclose(found.slices[axis], minority.sum(others), rtol=1e-5)


def test_one_network_doubts_as_far_as_its_probabilities_do(run: Path, cohort: Cohort) -> None:
    scan = cohort.unlabelled[0]
    found = Doubter(run, "cpu", "32").look(scan)
    prediction = crln.load_predictor(run, "cpu").predict(scan.images, probabilities=True)
    wrong = (1 - prediction.probabilities.max(0)).sum()
    outlined = (prediction.mask != 0).sum()
    assert found.doubt == pytest.approx(min(1, wrong / (2 * outlined)), rel=1e-4)


def test_structures_that_nobody_found_do_not_count() -> None:
    empty, full = np.zeros((2, 2, 2), bool), np.ones((2, 2, 2), bool)
    assert pairwise_dice([empty, empty]) == []
    assert pairwise_dice([empty, full, full]) == [0, 0, 1]


def test_scans_that_are_alike_are_not_suggested_together(
    ensemble: Path, cohort: Cohort, tmp_path: Path
) -> None:
    """Copies of one scan under other names: one of them is taken."""
    first = cohort.unlabelled[0]
    copies = [Case(f"copy_{i}", first.images) for i in range(4)]
    many = replace(cohort, unlabelled=(*copies, *cohort.unlabelled[1:]))
    found = {s.case: s.reason for s in crln.suggest(ensemble, many, 3, device="cpu")}
    assert len([case for case in found if case.startswith("copy")]) == 1
    assert len(found) == 3
    told = [reason.endswith("; unlike those above") for reason in found.values()]
    assert told == [False, True, True]
    alike = replace(cohort, unlabelled=tuple(copies))
    found = {s.case: s.reason for s in crln.suggest(ensemble, alike, 2, device="cpu")}
    assert len(found) == 2


def test_what_is_labelled_or_held_out_is_not_suggested_unasked(run: Path, cohort: Cohort) -> None:
    known = {case.id for case in cohort.unlabelled}
    found = {s.case for s in crln.suggest(run, cohort, 99, device="cpu")}
    assert found == known
    held, *_ = cohort.unlabelled
    of_run = replace(cohort, unlabelled=cohort.unlabelled[1:], test=(*cohort.test, held))
    save_split(of_run, run / "split.yaml")
    found = {s.case for s in crln.suggest(run, cohort, 99, device="cpu")}
    assert found == known - {held.id}
    asked = crln.suggest(run, cohort, 99, device="cpu", among=["test", "labelled"])
    assert {s.case for s in asked} == {c.id for c in (*cohort.labelled, *cohort.test, held)}
    with pytest.raises(CrlnError, match="--among tests: no part of a cohort; give labelled, unla"):
        crln.suggest(run, cohort, among=["tests"])
    with pytest.raises(CrlnError, match="no unlabelled scan to suggest"):
        crln.suggest(run, replace(cohort, unlabelled=()))


def test_of_a_patient_one_scan_is_suggested(run: Path, cohort: Cohort) -> None:
    grouped = tuple(replace(case, group="p") for case in cohort.unlabelled)
    for by in ("doubt", "random"):
        assert len(crln.suggest(run, replace(cohort, unlabelled=grouped), by=by)) == 1


def test_random_is_the_seed_s_and_knows_what_is_outlined(
    run: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(
        cohort, unlabelled=tuple(Case(f"{i}", cohort.unlabelled[i % 3].images) for i in range(12))
    )
    drawn = [
        tuple(s.case for s in crln.suggest(run, many, 4, by="random", seed=seed))
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    look = Doubter.look

    def nothing_in_most(self: Doubter, case: Case) -> Doubt:
        found = look(self, case)
        return found if case.id in "37" else replace(found, doubt=float("nan"))

    monkeypatch.setattr(Doubter, "look", nothing_in_most)
    found = crln.suggest(run, many, 4, by="random", slices=2)
    assert {s.case for s in found} == {"3", "7"}
    said: list[str] = []
    assert {s.case for s in crln.suggest(run, many, 4, say=said.append)} == {"3", "7"}
    assert said[-1].startswith("nothing is outlined in 0, 1, 2, 4, 5 and 5 more: look whether")


def test_slices_are_the_doubtful_ones_of_the_file(ensemble: Path, cohort: Cohort) -> None:
    (first,) = crln.suggest(ensemble, cohort, 1, slices=3, device="cpu")
    found = Doubter(ensemble, "cpu", "32").look(
        next(case for case in cohort if case.id == first.case)
    )
    assert first.axis is not None
    doubt = np.where(found.outlined[first.axis], found.slices[first.axis], -1)
    assert int(doubt.argmax()) in first.slices
    assert list(first.slices) == sorted(set(first.slices))
    assert all(found.outlined[first.axis][k] for k in first.slices)


def test_the_command_tells_why_and_writes_a_table(
    ensemble: Path, phantom: Path, tmp_path: Path, command_line: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    data = tmp_path / "data"
    shutil.copytree(phantom, data)
    scan = sorted((data / "images").iterdir())[0]
    (data / "images" / "torn.nii.gz").write_bytes(scan.read_bytes()[:80])
    out = tmp_path / "next.csv"
    words = ["suggest", ensemble, data, "--n", 2, "--slices", 2, "--out", out]
    result = command_line(*words)
    assert result.code == 0, result.err
    assert "left out: " in caplog.text
    assert "torn.nii.gz: truncated" in caplog.text
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == [
        s.case for s in crln.suggest(ensemble, data, 2, device="cpu")
    ]
    for row in rows:
        assert row["case"] in result.out
        assert row["reason"].startswith("outlines of 3 networks agree by a Dice of 0.")
        assert len(row["slices"].split()) == 2
    assert command_line(*words).err == f"error: {out}: exists; give another --out, or --overwrite\n"


def test_a_scan_of_other_axes_has_its_own_slices(run: Path, cohort: Cohort, tmp_path: Path) -> None:
    """The same scan, its last axis first: the slices are along that one, with the same doubt."""
    original = nib.load(cohort.unlabelled[0].images[0])
    affine = original.affine[:, [2, 0, 1, 3]]
    voxels = np.moveaxis(np.asarray(original.dataobj), 2, 0)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "turned.nii.gz")
    looker = Doubter(run, "cpu", "32")
    one = looker.look(cohort.unlabelled[0])
    other = looker.look(Case("turned", (tmp_path / "turned.nii.gz",)))
    for axis, there in enumerate((1, 2, 0)):
        np.testing.assert_allclose(other.slices[there], one.slices[axis], rtol=1e-3, atol=1e-3)
