import pytest
import torch
from torch import nn

from crln.methods.base import Step
from crln.methods.teacher import Teacher
from crln.planning.plan import TeacherPlan


def make_student() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2), nn.Dropout3d(0.5))


@pytest.mark.parametrize("index", [0, 1, 5, 500])
def test_parameters_follow_the_moving_average(index: int) -> None:
    student = make_student()
    teacher = Teacher(student, TeacherPlan(decay=0.9))
    before = [p.clone() for p in teacher.network.parameters()]
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    teacher.update(student, Step(index, 1000, 0))
    decay = min(1 - 1 / (index + 1), 0.9)
    for old, new, target in zip(
        before, teacher.network.parameters(), student.parameters(), strict=True
    ):
        torch.testing.assert_close(new, decay * old + (1 - decay) * target)


@pytest.mark.parametrize("norm", ["own", "ema"])
@pytest.mark.parametrize("dropout", [True, False])
def test_the_plan_decides_how_the_teacher_labels(norm: str, dropout: bool) -> None:
    student = make_student()
    teacher = Teacher(student, TeacherPlan(norm=norm, dropout=dropout))
    _, batch_norm, drop = teacher.network
    assert batch_norm.training == (norm == "own")
    assert drop.training == dropout
    teacher.eval()
    assert not batch_norm.training
    assert not drop.training


def test_own_norm_statistics_come_from_own_passes_and_ema_ones_from_the_student() -> None:
    for norm in ("own", "ema"):
        student = make_student()
        teacher = Teacher(student, TeacherPlan(norm=norm))
        batch_norm = teacher.network[1]
        student(torch.randn(2, 1, 4, 4, 4) + 3)
        teacher.update(student, Step(500, 1000, 0))
        follows = bool((batch_norm.running_mean != 0).any())
        assert follows == (norm == "ema")
        before = batch_norm.running_mean.clone()
        teacher.network(torch.randn(2, 1, 4, 4, 4) - 3)
        assert bool((batch_norm.running_mean != before).any()) == (norm == "own")


def test_the_teacher_takes_no_gradient() -> None:
    teacher = Teacher(make_student(), TeacherPlan())
    assert not any(p.requires_grad for p in teacher.parameters())
