"""A checkpoint puts back weights, the optimiser's state and how far the training had come."""

from pathlib import Path

import pytest
import torch

from crln.errors import CrlnError
from crln.methods import Method, build_method
from crln.planning import Plan
from crln.runs.checkpoint import Progress, load_checkpoint, save_checkpoint


def begun(plan: Plan, seed: int) -> tuple[Method, torch.optim.Optimizer]:
    """A method after one step of an optimiser that keeps state."""
    torch.manual_seed(seed)
    method = build_method("mean_teacher", plan)
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad])
    for parameter in optimiser.param_groups[0]["params"]:
        parameter.grad = torch.rand_like(parameter)
    optimiser.step()
    return method, optimiser


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
