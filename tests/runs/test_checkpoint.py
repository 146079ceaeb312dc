"""A checkpoint puts back weights, the optimiser's state and how far the training had come."""

import os
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from crln.cohort import Case, Label, load_cohort, split_cohort
from crln.errors import CrlnError
from crln.methods import Method, build_method
from crln.planning import Plan
from crln.runs.checkpoint import Origin, Progress, load_checkpoint, save_checkpoint
from crln.training import train


def begun(plan: Plan, seed: int) -> tuple[Method, torch.optim.Optimizer]:
    """A method after one step of an optimiser that keeps state."""
    torch.manual_seed(seed)
    method = build_method("mean_teacher", plan)
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad])
    for parameter in optimiser.param_groups[0]["params"]:
        parameter.grad = torch.rand_like(parameter)
    optimiser.step()
    return method, optimiser


@pytest.mark.slow
def test_everything_comes_back(tiny_plan: Plan, tmp_path: Path) -> None:
    ours, theirs = begun(tiny_plan, 0), begun(tiny_plan, 1)
    progress = Progress(step=3, seconds=1.5, best=0.5, best_step=2)
    save_checkpoint(tmp_path / "c.safetensors", *ours, progress)
    assert load_checkpoint(tmp_path / "c.safetensors", *theirs) == progress
    for name, tensor in ours[0].state_dict().items():
        assert torch.equal(theirs[0].state_dict()[name], tensor), name
    for index, state in ours[1].state_dict()["state"].items():
        for name, tensor in state.items():
            assert torch.equal(theirs[1].state_dict()["state"][index][name], tensor), name


def test_one_of_another_plan_is_refused(tiny_plan: Plan, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", *begun(tiny_plan, 0), Progress())
    other = begun(tiny_plan.updated({"network": {"widths": [8, 8, 8, 8, 8]}}), 0)
    with pytest.raises(CrlnError, match=r"c\.safetensors: this checkpoint is not of this plan"):
        load_checkpoint(tmp_path / "c.safetensors", *other)


def test_a_label_or_a_scan_that_has_changed_is_named(tmp_path: Path) -> None:
    """By its content: size and time of change may be what they were."""

    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, ns=(1, 1))
        return tmp_path / name

    def origin() -> Origin:
        return Origin.of(Plan(), cases, tmp_path / "cache")

    label = Label(write("label", "10"))
    cases = [
        Case("a", (write("t1", "1"), write("t2", "2")), label),
        Case("u", (write("u1", "5"),)),
    ]
    before = origin()
    assert before.changed(origin()) == []
    write("t2", "3")
    assert before.changed(origin()) == ["the scan of a"]
    write("label", "11")
    write("u1", "6")
    assert before.changed(origin()) == ["the label of a", "the scan of a", "the scan of u"]
    write("t2", "2")
    assert before.changed(origin()) == ["the label of a", "the scan of u"]
    assert Origin().changed(origin()) == []  # of a version that did not remember
    whole = origin()
    draft = Label(write("draft", "10"), kind="draft")
    cases[1] = Case("u", cases[1].images, draft=draft)
    assert whole.changed(origin(), all_of_it=True) == ["the draft of u"]
    assert origin().changed(whole, all_of_it=True) == ["the draft of u"]
    cases[1] = Case("v", cases[1].images)
    assert whole.changed(origin(), all_of_it=True) == ["the scan of u", "the scan of v"]
    assert whole.changed(origin()) == []  # which may tell of other cases


@pytest.mark.slow
def test_a_run_does_not_go_on_with_another_scan(
    tiny_plan: Plan, phantom: Path, tmp_path: Path
) -> None:
    shutil.copytree(phantom, tmp_path / "data")
    cohort = split_cohort(load_cohort(tmp_path / "data"))
    options: dict[str, Any] = {"method": "supervised", "progress": False}
    train(cohort, tiny_plan, tmp_path / "run", **options)
    case = cohort.labelled[0]
    image = nib.load(case.images[0])
    voxels = np.roll(np.asarray(image.dataobj), 3, 0)
    nib.save(nib.Nifti1Image(voxels, image.affine, image.header), case.images[0])
    with pytest.raises(CrlnError, match=f"the scan of {case.id} has changed since the run"):
        train(cohort, tiny_plan, tmp_path / "run", resume=True, **options)
