"""The optimiser and its learning rate, from the plan."""

from typing import Literal

import torch
from torch import nn

from crln.planning.plan import TrainingPlan


def build_optimiser(method: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, Adam or AdamW over everything that takes a gradient."""
    parameters = [p for p in method.parameters() if p.requires_grad]
    if plan.optimiser == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=plan.lr,
            momentum=plan.momentum,
            weight_decay=plan.weight_decay,
            nesterov=plan.momentum > 0,
            foreach=True,
        )
    kind = torch.optim.Adam if plan.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, lr=plan.lr, weight_decay=plan.weight_decay, foreach=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, plan: TrainingPlan, step: int) -> float:
    """Sets and returns the learning rate of a step."""
    rate = plan.lr * learning_rate_factor(
        step, plan.iterations, schedule=plan.schedule, power=plan.power, warmup=plan.warmup
    )
    for group in optimiser.param_groups:
        group["lr"] = rate
    return rate


def learning_rate_factor(
    step: int,
    total: int,
    *,
    schedule: Literal["poly", "step", "constant"] = "poly",
    power: float = 0.9,
    warmup: float = 0.0,
) -> float:
    """What the learning rate is multiplied with at `step` of `total`.

    `poly`: (1 - t / T)^power. `step`: a tenth after 5/12 and after 10/12 of the training, the
    published 2,500 and 5,000 of 6,000 steps. All rise linearly over the first `warmup` share.
    """
    factor = 1.0
    if schedule == "poly":
        factor = max(0.0, 1 - step / total) ** power
    elif schedule == "step":
        factor = 0.1 ** (12 * step // (5 * total))
    rising = warmup * total
    return factor * min(1.0, (step + 1) / rising) if rising else factor
