import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import (
    cross_entropy,
    marginal,
    mark_partial,
    segmentation_loss,
    soft_dice_loss,
    without_partial,
)

SHAPE = (2, 3, 2)
KNOWN = torch.tensor([[True, True, True, True], [True, False, True, False]])


def make_logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(2, 4, *SHAPE, generator=generator, dtype=torch.float64)


def make_target() -> Tensor:
    """Every class and IGNORE in the whole case; of the other what was looked for in it."""
    generator = torch.Generator().manual_seed(1)
    target = torch.randint(-1, 4, (2, *SHAPE), generator=generator)
    target[1][(target[1] == 1) | (target[1] == 3)] = 0
    return target


def plain_probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """Voxel by voxel: background stands for all that nobody looked for in its case."""
    merged = logits.softmax(1)
    for b, x, y, z in np.ndindex(*target.shape):
        if target[b, x, y, z] == 0:
            for k in range(1, 4):
                if not KNOWN[b, k]:
                    merged[b, 0, x, y, z] += merged[b, k, x, y, z].clone()
                    merged[b, k, x, y, z] = 0
    return merged


def test_background_stands_for_the_classes_that_nobody_looked_for() -> None:
    logits, target = make_logits(), make_target()
    merged, classes = marginal(logits, mark_partial(target, KNOWN), KNOWN)
    torch.testing.assert_close(merged.softmax(1), plain_probabilities(logits, target))
    assert torch.equal(classes, target)


def test_cross_entropy_and_dice_are_those_of_the_summed_probabilities() -> None:
    logits, target = make_logits(), make_target()
    probabilities = plain_probabilities(logits, target)
    pair = marginal(logits, mark_partial(target, KNOWN), KNOWN)
    valid = target != IGNORE
    chosen = probabilities.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1)
    assert float(cross_entropy(*pair)) == pytest.approx(float(-chosen[valid].log().mean()))
    dice = []
    for k in range(1, 4):
        p, g = probabilities[:, k][valid], (target == k)[valid].double()
        dice.append(float((2 * (p * g).sum() + 1e-5) / ((p**2).sum() + g.sum() + 1e-5)))
    assert float(soft_dice_loss(*pair)) == pytest.approx(1 - np.mean(dice), rel=1e-5)


def test_no_gradient_tells_apart_what_nobody_looked_for() -> None:
    """At a background voxel the logits of background and unsought classes weigh as one."""
    logits = make_logits().requires_grad_()
    target = mark_partial(torch.zeros(2, *SHAPE).long(), KNOWN)
    loss = cross_entropy(*marginal(logits, target, KNOWN))
    (gradient,) = torch.autograd.grad(loss, logits)
    share = gradient[1] / logits.detach()[1].softmax(0)
    torch.testing.assert_close(share[0], share[1])
    torch.testing.assert_close(share[0], share[3])
    assert (gradient[1][[0, 1, 3]] < 0).all()
    assert (gradient[1][2] > 0).all()
    assert (gradient[0][1] > 0).all()


@pytest.mark.slow
def test_gradients_are_right() -> None:
    target = mark_partial(make_target(), KNOWN)
    assert torch.autograd.gradcheck(
        lambda z: segmentation_loss(*marginal(z, target, KNOWN)), make_logits().requires_grad_()
    )


def test_marks_travel_as_classes_do_and_are_dropped_where_classes_must_be_certain() -> None:
    target = make_target()
    marked = mark_partial(target, KNOWN)
    moved = marked.flip(0).roll(1, 1)
    _, classes = marginal(make_logits(), moved, KNOWN)
    assert torch.equal(classes, target.flip(0).roll(1, 1))
    certain = without_partial(marked)
    assert torch.equal(certain[0], target[0])
    assert torch.equal(certain[1], target[1].masked_fill(target[1] == 0, IGNORE))
