"""The optimiser moves a weight as its equation says; its rate follows the plan's schedule."""

from typing import Any

import pytest
import torch
from torch import nn

from crln.planning.plan import TrainingPlan
from crln.training.optimiser import build_optimiser, learning_rate_factor, set_learning_rate


def moved(gradients: list[float], **plan: Any) -> float:
    """Where a weight of 2 is after steps with these gradients."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimiser = build_optimiser(layer, TrainingPlan(**plan))
    for gradient in gradients:
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        optimiser.step()
    return float(layer.weight.detach())


@pytest.mark.parametrize(
    ("optimiser", "expected"),
    [
        # Without a gradient only the decay of 0.1 moves a weight w, here at a rate of 0.5:
        ("sgd", 2 - 0.5 * 0.1 * 2 * (1 + 0.9)),  # Nesterov's first step is g + m g of g = 0.1 w
        ("adam", 2 - 0.5),  # the decay is a gradient, and a first step is its sign
        ("adamw", 2 * (1 - 0.5 * 0.1)),  # the decay is apart from the gradient
    ],
)
def test_weight_decay_is_that_of_the_optimiser_asked_for(optimiser: str, expected: float) -> None:
    plan = {"optimiser": optimiser, "lr": 0.5, "weight_decay": 0.1, "momentum": 0.9}
    assert moved([0.0], **plan) == pytest.approx(expected)
    assert moved([0.0], **plan | {"weight_decay": 0.0}) == 2


def test_momentum_is_nesterovs() -> None:
    plan = {"optimiser": "sgd", "lr": 0.1, "weight_decay": 0.0}
    buffers = [1.0, 0.9 * 1.0 + 3.0]  # v = m v + g; a step is g + m v
    expected = 2 - 0.1 * (1.0 + 0.9 * buffers[0]) - 0.1 * (3.0 + 0.9 * buffers[1])
    assert moved([1.0, 3.0], momentum=0.9, **plan) == pytest.approx(expected)
    assert moved([1.0, 3.0], momentum=0.0, **plan) == pytest.approx(2 - 0.1 * (1 + 3))


def test_what_takes_no_gradient_is_left_out() -> None:
    layers = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).requires_grad_(False))
    (group,) = build_optimiser(layers, TrainingPlan()).param_groups
    assert group["params"] == list(layers[0].parameters())


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("poly", [0.4, 0.4 * 0.75**2, 0.4 * 0.5**2, 0.4 * 0.25**2]),
        ("constant", [0.4, 0.4, 0.4, 0.4]),
        ("step", [0.4, 0.4, 0.04, 0.04]),  # a tenth from 5/12 on: of 4 steps from the third
    ],
)
def test_the_rate_of_every_group_follows_the_schedule(schedule: str, rates: list[float]) -> None:
    plan = TrainingPlan.model_validate(
        {"iterations": 4, "lr": 0.4, "schedule": schedule, "power": 2.0}
    )
    layers = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    optimiser = torch.optim.SGD([{"params": layer.parameters()} for layer in layers], lr=9.0)
    for step, rate in enumerate(rates):
        assert set_learning_rate(optimiser, plan, step) == pytest.approx(rate)
        assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([rate, rate])


def test_a_warm_up_rises_linearly() -> None:
    found = [learning_rate_factor(n, 10, schedule="constant", warmup=0.4) for n in range(6)]
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
