"""What `distribute` converts, and what it leaves alone; the results are compared in test_launch."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from crln.methods import build_method
from crln.methods.crln.network import interleave, separate
from crln.networks import SegmentationNetwork, VNet
from crln.parallel.layers import SharedBatchNorm, SharedDropout
from crln.parallel.share import Share, distribute
from crln.planning import Plan


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crln", "mcnet", "mean_teacher"])
def test_norms_and_dropouts_change_their_class_and_nothing_else(name: str, tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"network": {"dropout": 0.5}})
    method = build_method(name, plan)
    before = copy.deepcopy(method)
    distribute(method, 0, 2)
    assert list(method.state_dict()) == list(before.state_dict())
    for (ours, converted), (theirs, plain) in zip(
        method.named_modules(), before.named_modules(), strict=True
    ):
        assert ours == theirs
        kind = {nn.BatchNorm3d: SharedBatchNorm, nn.Dropout3d: SharedDropout}
        assert type(converted) is kind.get(type(plain), type(plain))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crln", "mcnet", "mean_teacher"])
def test_in_evaluation_a_network_computes_all_it_is_given(name: str, tiny_plan: Plan) -> None:
    """So the first process validates by itself; any message to another would raise here."""
    method = build_method(name, tiny_plan).eval()
    images = torch.randn(2, 1, *tiny_plan.patch_size)
    with torch.no_grad():
        alone = method.predictor()(images)
        distribute(method, 1, 2)
        assert torch.equal(method.predictor()(images), alone)


def test_what_is_not_patchwise_is_left_alone(tiny_plan: Plan) -> None:
    rectifier = build_method("diffrect", tiny_plan).rectifier
    owner = nn.ModuleDict({"rectifier": rectifier, "norm": nn.BatchNorm3d(2)})
    distribute(owner, 0, 2)
    for module in owner.modules():
        assert not isinstance(module, SharedBatchNorm)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize("foreign", [nn.Dropout(0.5), nn.SyncBatchNorm(4)])
def test_a_backbone_with_norms_of_its_own_computes_the_whole_batch(foreign: nn.Module) -> None:
    network = SegmentationNetwork(VNet(1, (4, 4, 8, 8, 8)), 2)
    network.backbone.foreign = foreign
    distribute(nn.ModuleDict({"student": network}), 0, 2)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert not any(isinstance(m, SharedBatchNorm) for m in network.modules())


def test_each_process_holds_its_own_rows_of_both_batches() -> None:
    x, u = torch.arange(2), torch.arange(10, 14)
    both = interleave(x, u)
    for rank in range(2):
        own_rows = Share(rank, 2).own_rows
        labelled, unlabelled = separate(own_rows(both), 2, 4)
        assert torch.equal(labelled, own_rows(x))
        assert torch.equal(unlabelled, own_rows(u))


@pytest.mark.slow
def test_one_process_learns_without_any_of_it(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(tiny_plan.to_yaml())
    words = ["train", str(phantom), "--plan", str(tmp_path / "plan.yaml")]
    words += ["--iterations", "1", "--method", "supervised", "--out", str(tmp_path / "run")]
    program = (
        "import sys; from crln.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "names = ['crln.parallel.share', 'crln.parallel.layers']\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "run" / "weights.safetensors").exists(), done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
