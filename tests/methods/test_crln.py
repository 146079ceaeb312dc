"""The stages of CRLN's training; its equations are tested where they live."""

import pytest
import torch

from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan


def patches(method: Method, seed: int) -> Batch:
    images = torch.randn(2, 1, *method.read_size, generator=torch.Generator().manual_seed(seed))
    return Batch(images, (images[:, 0] > 0.5).long())


@pytest.mark.parametrize(("index", "heard"), [(3, False), (4, True)])
def test_the_total_is_the_sum_of_the_stages_terms(tiny_plan: Plan, index: int, heard: bool) -> None:
    changes = {"training": {"labelled_start": 0.4}, "options": {"crln": {"confidence": 0}}}
    method = build_method("crln", tiny_plan.updated(changes))
    losses = method.losses(patches(method, 1), patches(method, 2), Step(index, 10, 0))
    total = losses.pop("total")
    torch.testing.assert_close(total, sum(losses.values()))
    assert (losses["unsupervised"] > 0) == heard
