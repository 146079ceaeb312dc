"""Where the teacher of UA-MT is sure, and what the weight ramps up to."""

import math

import pytest
import torch
from torch import nn

from crln.losses import gaussian_ramp
from crln.methods import Batch, Step, build_method
from crln.methods.mean_teacher import MeanTeacher
from crln.planning import Plan


class Scaled(nn.Module):
    """K logits that say the first class the more surely, the brighter the voxel."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.others = classes - 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images] + [torch.zeros_like(images)] * self.others, 1)


def make(plan: Plan, **options: float) -> MeanTeacher:
    torch.manual_seed(0)
    method = build_method("mean_teacher", plan.updated({"options": {"mean_teacher": options}}))
    assert isinstance(method, MeanTeacher)
    return method


def batch(method: MeanTeacher, seed: int) -> Batch:
    images = torch.randn(2, 1, *method.read_size, generator=torch.Generator().manual_seed(seed))
    return Batch(images, (images[:, 0] > 0.5).long())


@pytest.mark.parametrize("index", [0, 5, 10])
def test_sure_is_an_entropy_below_the_rising_threshold(tiny_plan: Plan, index: int) -> None:
    method = make(tiny_plan, uncertainty=True, noise=0.0, passes=2)
    method.teacher.network = Scaled(tiny_plan.classes)
    values = torch.linspace(0.5, 4, 64).view(1, 1, 4, 4, 4)
    found = method._sure(values, torch.Generator(), Step(index, 10, 0)).flatten()
    others = tiny_plan.classes - 1
    threshold = (0.75 + 0.25 * gaussian_ramp(index, 10)) * math.log(others + 1)
    for value, sure in zip(values.flatten().tolist(), found.tolist(), strict=True):
        p = math.exp(value) / (math.exp(value) + others)
        disorder = -p * math.log(p) - (1 - p) * math.log((1 - p) / others)
        assert sure == (disorder < threshold)
    assert found.any()


def test_consistency_is_weighed_in_by_the_ramp(tiny_plan: Plan) -> None:
    method = make(tiny_plan, weight=2.0)
    for index in (4, 9):
        losses = method.losses(batch(method, 1), batch(method, 2), Step(index, 10, 0))
        expected = losses["supervised"] + 2 * gaussian_ramp(index, 10) * losses["consistency"]
        torch.testing.assert_close(losses["total"], expected)
        assert losses["consistency"] > 0


def test_an_unsure_teacher_teaches_nothing(tiny_plan: Plan) -> None:
    method = make(tiny_plan, uncertainty=True)
    method.teacher.network = Scaled(tiny_plan.classes)  # noise aside, of dim voxels alone
    dim = [Batch(0 * images, labels) for images, labels in (batch(method, 1), batch(method, 2))]
    assert method.losses(*dim, Step(5, 10, 0))["consistency"] == 0
    bright = [Batch(images + 9, labels) for images, labels in dim]
    assert method.losses(*bright, Step(5, 10, 0))["consistency"] > 0
