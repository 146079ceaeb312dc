"""What methods share: which of their networks learn, and what labels teach them."""

from typing import Any

import pytest
import torch

from crln.methods import Step
from crln.networks import Backbone, VNet
from crln.planning import Plan

Make = Any

COUNTS = {"supervised": 1, "crln": 1, "ad_mt": 1, "crossmatch": 1, "mcnet": 1, "sdcl": 2}


@pytest.mark.parametrize("name", COUNTS)
def test_backbones_that_learn_are_found_whole_and_teachers_left_out(
    name: str, make_method: Make
) -> None:
    method = make_method(name)
    found = method.backbones()
    assert len(found) == COUNTS[name]
    learning = {id(p) for p in method.parameters() if p.requires_grad}
    for backbone in found:
        assert isinstance(backbone, Backbone)
        assert {id(p) for p in backbone.parameters()} <= learning


def test_the_branch_of_mcnet_gives_the_features_that_its_first_head_sees(
    make_method: Make, tiny_plan: Plan
) -> None:
    method = make_method("mcnet").eval()
    (branch,) = method.backbones()
    assert isinstance(branch, VNet)
    images = torch.randn(1, 1, *tiny_plan.patch_size)
    torch.testing.assert_close(method.student.heads[0](branch(images)[0]), method.student(images))
    assert [f.shape[1] for f in branch(images)] == list(branch.widths)


def test_the_boundary_comes_in_as_the_training_goes_on(
    make_method: Make, make_patches: Make, tiny_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the loop's call alone: whoever asks for a loss outside of a training has all of it."""
    method = make_method("supervised", tiny_plan.updated({"loss": ["dice_ce", "boundary"]}))
    patches = make_patches(method, 1)
    logits = torch.zeros(2, method.plan.classes, *patches.labels.shape[1:])
    whole = method.details(logits, patches.labels).item()
    assert whole > 0
    monkeypatch.setattr(method, "losses", lambda *_: {})
    for index, share in ((0, 0), (2, 0.5), (3, 0.75)):
        method.step_losses(patches, None, Step(index, 4, seed=0))
        assert method.details(logits, patches.labels).item() == pytest.approx(share * whole)
