"""Bidirectional copy-paste: what is mixed with what."""

from itertools import combinations

import pytest
import torch

from crln.labels import IGNORE
from crln.methods import Batch, Step, build_method
from crln.planning import Plan


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 3])
@torch.no_grad()
def test_no_mix_is_seen_twice(tiny_plan: Plan, index: int) -> None:
    method = build_method("bcp", tiny_plan)
    seen: list[torch.Tensor] = []
    method.student.register_forward_pre_hook(lambda _, given: seen.extend(given[0].clone()))
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 1, *method.read_size, generator=generator)
    labels = (images[0, :, 0] > 0.3).long()
    inside = torch.ones_like(labels, dtype=torch.bool)
    unlabelled = Batch(images[1], torch.full_like(labels, IGNORE), inside)
    found = method.losses(Batch(images[0], labels, inside), unlabelled, Step(index, 4, seed=0))
    assert len(seen) == 4
    for one, other in combinations(seen, 2):
        assert not torch.equal(one, other)
    assert found["outward"] != found["inward"]
