"""The optimiser and its learning rate, from the plan."""

import torch
from torch import nn

from crln.losses import learning_rate_factor
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
