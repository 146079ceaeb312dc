"""The stages of CRLN's training; its equations are tested where they live."""

import pytest
import torch

from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan


def patches(method: Method, seed: int) -> Batch:
    images = torch.randn(2, 1, *method.read_size, generator=torch.Generator().manual_seed(seed))
    return Batch(images, (images[:, 0] > 0.5).long())


@pytest.mark.parametrize(("index", "heard"), [(3, False), (4, True)])
def test_unlabelled_patches_are_heard_after_the_labelled_start(
    tiny_plan: Plan, index: int, heard: bool
) -> None:
    plan = tiny_plan.updated({"options": {"crln": {"labelled_start": 0.4, "confidence": 0}}})
    method = build_method("crln", plan)
    known, other = patches(method, 1), patches(method, 2)
    totals, terms = [], []
    for unlabelled in (known, other):
        torch.manual_seed(0)
        losses = method.losses(known, unlabelled, Step(index, 10, 0))
        totals.append(losses.pop("total"))
        terms.append(losses)
    assert (totals[0] != totals[1]) == heard
    assert (terms[0]["unsupervised"] > 0) == heard
    torch.testing.assert_close(totals[0], sum(terms[0].values()))


def test_the_labelled_start_sees_each_patch_in_two_views(tiny_plan: Plan) -> None:
    """As many patches a step as later, so that a step is as large a sample of the views."""
    method = build_method("crln", tiny_plan)
    seen = []
    method.student.backbone.register_forward_pre_hook(  # type: ignore[union-attr, operator]
        lambda _, inputs: seen.append(inputs[0])
    )
    known = patches(method, 1)
    method.losses(known, known, Step(0, 10, 0))
    (images,) = seen
    assert len(images) == 4
    assert not torch.equal(images[:2], images[2:])
