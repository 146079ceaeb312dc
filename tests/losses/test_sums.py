"""Sums over many classes, against a loop over voxels and the plain sums of few classes."""

import pytest
import torch

from crln.labels import IGNORE
from crln.losses import segmentation_loss, soft_dice_loss
from crln.losses.sums import class_sums


def drawn(classes: int = 11, side: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = torch.randn(2, classes, side, side, side, dtype=torch.double)
    return logits, torch.randint(IGNORE, classes, (2, side, side, side))


@pytest.mark.parametrize("squared", [True, False])
def test_each_sum_is_that_of_a_loop_over_voxels(squared: bool) -> None:
    logits, target = drawn(3, 2)
    overlap, size = class_sums(logits.log_softmax(1), target, squared)
    probability = logits.softmax(1)
    for b in range(2):
        for k in range(3):
            inside = valid = 0.0
            for at in [(x, y, z) for x in range(2) for y in range(2) for z in range(2)]:
                p = float(probability[(b, k, *at)])
                inside += p * (target[(b, *at)] == k)
                valid += (p * p if squared else p) * (target[(b, *at)] != IGNORE)
            assert float(overlap[b, k]) == pytest.approx(float(inside))
            assert float(size[b, k]) == pytest.approx(float(valid))


@pytest.mark.parametrize("squared", [True, False])
def test_gradients_are_those_of_finite_differences(squared: bool) -> None:
    logits, target = drawn(3, 2)
    assert torch.autograd.gradcheck(
        lambda z: class_sums(z, target, squared), logits.log_softmax(1).requires_grad_()
    )


@pytest.mark.parametrize("foreground", [True, False])
@pytest.mark.parametrize("over", ["batch", "sample"])
@pytest.mark.parametrize("squared", [True, False])
def test_many_classes_lose_what_few_would(
    monkeypatch: pytest.MonkeyPatch, foreground: bool, over: str, squared: bool
) -> None:
    """Loss and gradient, by either way of adding up."""
    logits, target = drawn()
    found = []
    for few in (8, 100):
        monkeypatch.setattr("crln.losses.terms.FEW", few)
        given = logits.clone().requires_grad_()
        loss = soft_dice_loss(given, target, squared=squared, foreground=foreground, over=over)
        loss.backward()
        found.append((loss.detach(), given.grad))
    torch.testing.assert_close(*found)


def test_weights_and_voxels_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = drawn()
    weights = torch.arange(11.0)
    found = []
    for few in (8, 100):
        monkeypatch.setattr("crln.losses.terms.FEW", few)
        found.append(segmentation_loss(logits, target, ("dice",), weights))
    torch.testing.assert_close(*found)
    nothing = segmentation_loss(logits, torch.full_like(target, IGNORE), ("dice",))
    assert float(nothing) == pytest.approx(0, abs=1e-6)
