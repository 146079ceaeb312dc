"""The mean teacher: a moving average of a student that labels what nobody has labelled."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from crln.methods.base import Step
from crln.planning.plan import TeacherPlan


class Teacher(nn.Module):
    """An exponential moving average of a student network; takes no gradient.

    After step t, every parameter is d * teacher + (1 - d) * student with
    d = min(1 - 1/(t + 1), decay). Its norm statistics come from its own passes in train mode
    (`norm: own`) or follow the student's by the same average (`norm: ema`).
    """

    def __init__(self, student: nn.Module, plan: TeacherPlan) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.plan = plan
        self.train()

    def train(self, mode: bool = True) -> "Teacher":
        """Train mode is how the teacher labels: dropout and norms as the plan says."""
        super().train(mode)
        for module in self.network.modules():
            if isinstance(module, _BatchNorm):
                module.train(mode and self.plan.norm == "own")
            elif isinstance(module, _DropoutNd):
                module.train(mode and self.plan.dropout)
        return self

    @torch.no_grad()
    def update(self, student: nn.Module, step: Step, decay: float | None = None) -> None:
        """Moves towards the student after its step; `decay` replaces the plan's schedule."""
        weight = 1 - (ema_decay(step.index, self.plan.decay) if decay is None else decay)
        ours: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(student.parameters())
        if self.plan.norm == "ema":
            ours += [b for b in self.network.buffers() if b.is_floating_point()]
            theirs += [b for b in student.buffers() if b.is_floating_point()]
        torch._foreach_lerp_(ours, theirs, weight)


def ema_decay(step: int, limit: float) -> float:
    """min(1 - 1 / (t + 1), limit): the plain mean of the first weights, then an average."""
    return min(1 - 1 / (step + 1), limit)
