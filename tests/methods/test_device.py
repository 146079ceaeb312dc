"""The stand-in for a GPU that refuses what would make one wait (`crln.testing.device`)."""

from typing import Any

import pytest
import torch

from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan
from crln.testing import OnDevice, WaitError, device, make_batch, to_device

pytestmark = pytest.mark.slow
STEP = Step(index=3, total=4, seed=0)


def batches(method: Method) -> list[Batch]:
    return [make_batch(method, seed, labelled=seed == 0) for seed in range(2)]


def build(name: str, plan: Plan, **changes: Any) -> Method:
    torch.manual_seed(0)
    return build_method(name, plan.updated(changes))


def test_both_turns_of_the_alternating_teachers_pass(tiny_plan: Plan) -> None:
    """Each turn makes its own view; the step above is one of them."""
    method = build("ad_mt", tiny_plan)
    turns = {method._turn(Step(i, 99, 0)): i for i in range(99)}  # type: ignore[operator]
    patches = batches(method)
    with device():
        to_device(method)
        on_device = [batch.each(OnDevice) for batch in patches]
        for index in turns.values():
            method.losses(*on_device, Step(index, 99, 0))
    assert turns.keys() == {0, 1}


def test_components_of_pseudo_labels_are_the_one_wait(tiny_plan: Plan) -> None:
    method = build("bcp", tiny_plan)
    patches = batches(method)
    with device():
        to_device(method)
        on_device = [batch.each(OnDevice) for batch in patches]
        with pytest.raises(WaitError, match="a copy between host and device"):
            method.losses(*on_device, STEP)


@pytest.mark.parametrize(
    "wait",
    [
        lambda t: t.sum().item(),
        lambda t: bool(t.any()),
        lambda t: t.cpu(),
        lambda t: t[t > 0],
        lambda t: t.masked_select(t > 0),
        lambda t: t.index_put_((t > 0,), t[0, 0]),
        lambda t: (t > 0).nonzero(),
        lambda t: t.unique(),
        lambda t: t + torch.ones(2),
        lambda t: torch.ones(2).to(t.device),
        lambda t: t[torch.tensor([0, 1])],
        lambda t: t[0].copy_(torch.ones(2)),
        lambda t: torch.ones(2, 2).copy_(t),
    ],
)
def test_the_guard_guards(wait: Any) -> None:
    with device(), pytest.raises(WaitError):
        wait(OnDevice(torch.ones(2, 2)))
