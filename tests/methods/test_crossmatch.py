"""Who teaches whom: views and features that are perturbed learn from what is not."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.methods import Step
from crln.methods.crossmatch import PerturbedBackbone
from crln.networks import Backbone, VNet, has_halves
from crln.planning import Plan

LATE = Step(9, 10, 0)
Make = Callable[..., Any]


class Whole(Backbone):
    """Has no halves."""

    def __init__(self, plan: Any, channels: int) -> None:
        super().__init__()
        self.widths, self.strides = (4,), ((1, 1, 1),)


def test_the_clean_pass_is_the_backbone_and_the_others_leave_channels_out() -> None:
    torch.manual_seed(0)
    backbone = VNet(1, (4, 4, 8), 0.0).eval()
    perturbed = PerturbedBackbone(backbone, 0.25, 0.75)
    perturbed.dropouts.train()
    images = torch.randn(1, 1, 8, 8, 8)
    seen: list[list[Tensor]] = []
    backbone.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    clean, weak, strong = perturbed(images, perturbed=True)
    torch.testing.assert_close(clean, backbone(images)[0])
    assert not torch.equal(weak, strong)
    whole, *fewer = seen[:3]
    for share, skips in zip((0.25, 0.75), fewer, strict=True):
        for skip, full in zip(skips, whole, strict=True):
            left = skip.abs().sum((2, 3, 4)) > 0
            torch.testing.assert_close(skip[left], full[left] / (1 - share))
    perturbed.eval()
    for each in perturbed(images, perturbed=True):
        torch.testing.assert_close(each, clean)


def test_what_is_unsure_or_outside_teaches_nothing(make_method: Make) -> None:
    method = make_method("crossmatch")
    logits = torch.tensor([2.0, 0.1, -3.0, 5.0]).view(1, 1, 4, 1, 1)
    logits = torch.cat([-logits / 2, logits / 2], 1)
    inside = torch.tensor([True, True, True, False]).view(1, 4, 1, 1)
    assert method._sure(logits, inside, 0.8).flatten().tolist() == [1, IGNORE, 0, IGNORE]


def test_the_least_confidence_rises(make_method: Make) -> None:
    method = make_method("crossmatch")
    found = [method._least(Step(i, 10, 0)) for i in range(11)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0.52, abs=0.01)
    reached = math.exp(-5 * (1 - 14 / 17) ** 2)  # of the published ramp, where that training ends
    assert found[-1] == pytest.approx((0.75 + reached / 4) * math.log(2), abs=0.01)


@pytest.mark.slow
def test_each_unlabelled_term_has_a_gradient_and_the_weak_view_none(
    make_method: Make, make_patches: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method("crossmatch", confidence=0.0, last_confidence=0.0)
    kept: list[Tensor] = []

    def passes(images: Tensor) -> list[Tensor]:
        found = [method.student.head(f) for f in method.student.backbone(images, perturbed=True)]
        for logits in found:
            logits.retain_grad()
        kept.extend(found)
        return found

    monkeypatch.setattr(method.student, "passes", passes)
    labelled, unlabelled = make_patches(method, 1), make_patches(method, 2)
    losses = method.losses(labelled, unlabelled, LATE)
    for name in ("strong", "distilled"):
        method.zero_grad()
        losses[name].backward(retain_graph=True)
        assert method.student.head.weight.grad.abs().sum() > 0, name
    clean, weak, strong = kept
    on_weak, on_strong = clean.grad.chunk(2)
    assert on_weak.abs().sum() == 0  # it teaches
    assert on_strong.abs().sum() > 0
    assert min(weak.grad.abs().sum(), strong.grad.abs().sum()) > 0


def test_a_backbone_without_halves_is_refused(
    make_method: Make, tiny_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not has_halves(Whole(None, 1))
    monkeypatch.setattr("crln.methods.base.build_backbone", Whole)
    with pytest.raises(CrlnError, match=r"network\.kind: crossmatch decodes .* choose vnet"):
        make_method("crossmatch")
