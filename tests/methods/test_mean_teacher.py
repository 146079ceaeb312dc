"""Where the teacher of UA-MT is sure, and what the weight ramps up to."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from crln.methods import Step
from crln.methods.ramps import gaussian_ramp
from crln.planning import Plan

Make = Callable[..., Any]


class Scaled(nn.Module):
    """K logits that say the first class the more surely, the brighter the voxel."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.others = classes - 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images] + [torch.zeros_like(images)] * self.others, 1)


@pytest.mark.parametrize("index", [0, 5, 10])
def test_sure_is_an_entropy_below_the_rising_threshold(
    make_method: Make, tiny_plan: Plan, index: int
) -> None:
    method = make_method("mean_teacher", uncertainty=True, noise=0.0, passes=2)
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


def test_consistency_is_weighed_in_by_the_ramp(make_method: Make, make_patches: Make) -> None:
    method = make_method("mean_teacher", weight=2.0)
    for index in (4, 9):
        losses = method.losses(make_patches(method, 1), make_patches(method, 2), Step(index, 10, 0))
        expected = losses["supervised"] + 2 * gaussian_ramp(index, 10) * losses["consistency"]
        torch.testing.assert_close(losses["total"], expected)
        assert losses["consistency"] > 0


@pytest.mark.slow
def test_an_unsure_teacher_teaches_nothing(
    make_method: Make, make_patches: Make, tiny_plan: Plan
) -> None:
    method = make_method("mean_teacher", uncertainty=True)
    method.teacher.network = Scaled(tiny_plan.classes)  # noise aside, of dim voxels alone
    both = [make_patches(method, seed) for seed in (1, 2)]
    dim = [batch._replace(images=0 * batch.images) for batch in both]
    assert method.losses(*dim, Step(5, 10, 0))["consistency"] == 0
    bright = [batch._replace(images=batch.images + 9) for batch in dim]
    assert method.losses(*bright, Step(5, 10, 0))["consistency"] > 0
