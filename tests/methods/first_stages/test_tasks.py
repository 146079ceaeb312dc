"""What every task of a first stage must hold to: no label, any plan, a gradient for all."""

import copy
from typing import Any

import pytest
import torch

from crln.errors import CrlnError
from crln.methods import Batch, Method, Step, build_method
from crln.methods.first_stages import TASKS, FirstStage, build_first_stage
from crln.planning import Plan
from crln.testing import OnDevice, device, make_batch, to_device
from crln.testing.patches import SHAPES

pytestmark = pytest.mark.slow

STEP = Step(0, 8, 0)


def stage_of(plan: Plan, task: str, method: str = "supervised", **changes: Any) -> FirstStage:
    torch.manual_seed(0)
    return build_first_stage(build_method(method, plan.updated({"pretrain": task, **changes})))


def learnt(stage: FirstStage, patches: Batch) -> torch.Tensor:
    """The loss of a step that is taken."""
    optimiser = torch.optim.SGD(stage.parameters(), lr=1e-3, foreach=True)
    total = stage.losses(patches, None, STEP)["total"]
    total.backward()
    optimiser.step()
    return total.detach()


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_never_read(task: str, tiny_plan: Plan) -> None:
    stage = stage_of(tiny_plan, task)
    patches = make_batch(stage, 3, labelled=False, size=2)
    poison = (patches.labels * torch.nan, torch.full_like(patches.labels, 7))
    expected = copy.deepcopy(stage).losses(patches, None, STEP)["total"]
    for labels in poison:
        found = copy.deepcopy(stage).losses(patches._replace(labels=labels), None, STEP)["total"]
        assert found == expected


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", ["odd", "thick", "slice"])
def test_every_weight_is_taught_for_any_patch_and_number_of_classes(
    task: str, shape: str, tiny_plan: Plan
) -> None:
    for classes in (2, 4):
        labels = {"values": range(classes), "names": [f"class {k}" for k in range(classes)]}
        changes = SHAPES[shape] | {"labels": labels}
        stage = stage_of(tiny_plan, task, **changes)
        patches = make_batch(stage, 3, labelled=False, size=2)
        total = stage.losses(patches, None, STEP)["total"]
        total.backward()
        assert total.isfinite()
        assert total > 0
        assert all(p.grad is not None and p.grad.isfinite().all() for p in stage.parameters())


@pytest.mark.parametrize("task", TASKS)
def test_where_nothing_is_in_the_scan_nothing_is_learnt(task: str, tiny_plan: Plan) -> None:
    stage = stage_of(tiny_plan, task)
    patches = make_batch(stage, 3, labelled=False, size=2)
    patches = patches._replace(inside=torch.zeros_like(patches.inside))
    total = stage.losses(patches, None, STEP)["total"]
    total.backward()
    assert total == 0
    assert not any(p.grad is not None and p.grad.any() for p in stage.parameters())


@pytest.mark.parametrize("task", TASKS)
def test_no_step_waits_for_the_device(task: str, tiny_plan: Plan) -> None:
    patches = make_batch(stage_of(tiny_plan, task), 3, labelled=False, size=2)
    expected = learnt(stage_of(tiny_plan, task), patches)
    stage = stage_of(tiny_plan, task)
    with device():
        to_device(stage)
        found = learnt(stage, patches.each(OnDevice))
    assert isinstance(found, OnDevice)
    torch.testing.assert_close(found.held, expected)


@pytest.mark.parametrize("task", TASKS)
def test_a_few_steps_teach_the_task(task: str, tiny_plan: Plan) -> None:
    """Of patches with a bright ball, which can be learnt."""
    stage = stage_of(tiny_plan, task)
    optimiser = torch.optim.Adam(stage.parameters(), 3e-3)
    patches = make_batch(stage, 3, labelled=False, size=2)
    x, y, z = torch.meshgrid(*(torch.linspace(-1, 1, s) for s in stage.read_size), indexing="ij")
    ball = ((x**2 + y**2 + z**2) < 0.4).float() - 0.5 * x
    patches = patches._replace(images=2 * ball.expand_as(patches.images).contiguous())
    costs = []
    for _ in range(12):
        total = stage.losses(patches, None, STEP)["total"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        costs.append(float(total.detach()))
    assert min(costs[-3:]) < 0.85 * costs[0]


def test_two_unlike_networks_are_each_taught_and_given_back(tiny_plan: Plan) -> None:
    torch.manual_seed(0)
    method = build_method("sdcl", tiny_plan.updated({"pretrain": "masked"}))
    stage = build_first_stage(method)
    assert len(stage.networks) == 2
    with torch.no_grad():
        for number, network in enumerate(stage.networks, 1):
            for parameter in network.parameters():
                parameter.fill_(number)
    stage.give(method)
    kinds = {"student": 1, "other": 2, "teacher.network": 1}
    for name, number in kinds.items():
        backbone = method.get_submodule(f"{name}.backbone")
        assert all((parameter == number).all() for parameter in backbone.parameters())
        head = method.get_submodule(f"{name}.head")
        assert not any((parameter == number).all() for parameter in head.parameters())


def test_a_method_without_a_backbone_is_refused(
    tiny_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build_method("supervised", tiny_plan.updated({"pretrain": "masked"}))
    monkeypatch.setattr(Method, "backbones", lambda self: [])
    with pytest.raises(CrlnError, match="plan: pretrain: masked, but Supervised has no backbone"):
        build_first_stage(method)
