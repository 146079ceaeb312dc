import math

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import cross_entropy, segmentation_loss, soft_dice_loss

SHAPE = (3, 4, 2)


def make_case(
    classes: int = 3, ignored: float = 0.2, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(classes)
    logits = 2 * torch.randn(2, classes, *SHAPE, generator=generator, dtype=dtype)
    target = torch.randint(classes, (2, *SHAPE), generator=generator)
    return logits, target.masked_fill(
        torch.rand(target.shape, generator=generator) < ignored, IGNORE
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = [math.exp(score) for score in scores]
    return np.array(powers) / sum(powers)


def plain_cross_entropy(logits: Tensor, target: Tensor) -> float:
    terms = []
    for b, x, y, z in np.ndindex(*target.shape):
        if (label := int(target[b, x, y, z])) != IGNORE:
            terms.append(-math.log(softmax(logits[b, :, x, y, z].numpy())[label]))
    return sum(terms) / len(terms) if terms else 0.0


def plain_dice(
    logits: Tensor, target: Tensor, squared: bool, foreground: bool, over: str, epsilon: float
) -> float:
    classes = range(int(foreground), logits.shape[1])
    samples = range(len(target))
    groups = [[b] for b in samples] if over == "sample" else [list(samples)]
    losses = []
    for group in groups:
        for k in classes:
            overlap = size = 0.0
            for b in group:
                for x, y, z in np.ndindex(*SHAPE):
                    if (label := int(target[b, x, y, z])) != IGNORE:
                        p = softmax(logits[b, :, x, y, z].numpy())[k]
                        g = float(label == k)
                        overlap += p * g
                        size += p**2 + g**2 if squared else p + g
            losses.append(1 - (2 * overlap + epsilon) / (size + epsilon))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_cross_entropy_is_the_mean_over_valid_voxels(classes: int) -> None:
    logits, target = make_case(classes)
    assert float(cross_entropy(logits, target)) == pytest.approx(
        plain_cross_entropy(logits, target), rel=1e-5
    )


@pytest.mark.parametrize("over", ["batch", "sample"])
@pytest.mark.parametrize("foreground", [True, False])
@pytest.mark.parametrize("squared", [True, False])
def test_soft_dice_follows_its_equation(squared: bool, foreground: bool, over: str) -> None:
    logits, target = make_case()
    options = {"squared": squared, "foreground": foreground, "over": over, "epsilon": 1e-2}
    assert float(soft_dice_loss(logits, target, **options)) == pytest.approx(
        plain_dice(logits, target, **options), rel=1e-5
    )


def test_soft_dice_agrees_with_monai_where_nothing_is_ignored() -> None:
    logits, target = make_case(ignored=0)
    theirs = DiceLoss(
        include_background=False, to_onehot_y=True, softmax=True, squared_pred=True, batch=True
    )
    torch.testing.assert_close(
        soft_dice_loss(logits, target), theirs(logits, target[:, None]), rtol=1e-5, atol=1e-5
    )


def test_the_segmentation_loss_is_half_of_both() -> None:
    logits, target = make_case()
    expected = 0.5 * (
        plain_cross_entropy(logits, target)
        + plain_dice(logits, target, squared=True, foreground=True, over="batch", epsilon=1e-5)
    )
    assert float(segmentation_loss(logits, target)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [cross_entropy, soft_dice_loss, segmentation_loss])
def test_ignored_voxels_change_nothing(loss: type[segmentation_loss]) -> None:
    logits, target = make_case()
    logits.requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    ignored = (target == IGNORE).unsqueeze(1)
    assert ignored.any()
    assert gradient.masked_select(ignored).eq(0).all()
    moved = logits.detach() + 3 * torch.randn_like(logits) * ignored
    torch.testing.assert_close(loss(moved, target), value)


@pytest.mark.parametrize("over", ["batch", "sample"])
def test_dice_is_zero_where_it_is_perfect_or_nothing_is_there(over: str) -> None:
    target = torch.zeros(2, *SHAPE, dtype=torch.long)
    target[0, 0] = 1  # the second sample has no foreground
    logits = 100.0 * torch.nn.functional.one_hot(target, 2).movedim(-1, 1)
    assert float(soft_dice_loss(logits, target, over=over)) == pytest.approx(0, abs=1e-6)


def test_channels_last_gives_the_same() -> None:
    logits, target = make_case()
    last = logits.contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(segmentation_loss(last, target), segmentation_loss(logits, target))


@pytest.mark.slow
@pytest.mark.parametrize("over", ["batch", "sample"])
@pytest.mark.parametrize("squared", [True, False])
def test_gradients_are_right(squared: bool, over: str) -> None:
    logits, target = make_case(dtype=torch.float64)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: segmentation_loss(z, target), logits)
    assert torch.autograd.gradcheck(
        lambda z: soft_dice_loss(z, target, squared=squared, over=over), logits
    )


def test_a_plans_terms_are_averaged() -> None:
    logits, target = make_case()
    ce, dice = cross_entropy(logits, target), soft_dice_loss(logits, target)
    for terms, expected in (
        (("cross_entropy",), ce),
        (("dice",), dice),
        (("cross_entropy", "dice"), (ce + dice) / 2),
        (("dice_ce", "dice"), (0.5 * ce + 1.5 * dice) / 2),
    ):
        torch.testing.assert_close(segmentation_loss(logits, target, terms), expected)


def test_class_weights_weigh_voxels_and_classes() -> None:
    logits, target = make_case()
    weights = (0.5, 2.0, 0.0)
    total = count = 0.0
    for b, x, y, z in np.ndindex(*target.shape):
        if (label := int(target[b, x, y, z])) != IGNORE:
            total -= weights[label] * math.log(softmax(logits[b, :, x, y, z].numpy())[label])
            count += weights[label]
    found = segmentation_loss(logits, target, ["cross_entropy"], torch.tensor(weights))
    assert found.item() == pytest.approx(total / count, rel=1e-5)
    found = segmentation_loss(logits, target, ["dice"], torch.tensor(weights))
    only = soft_dice_loss(torch.stack([logits[:, 1], logits[:, [0, 2]].logsumexp(1)], 1)[:, [1, 0]],
                          torch.where(target == IGNORE, IGNORE, (target == 1).long()))  # fmt: skip
    torch.testing.assert_close(found, only)  # the class of weight 0 counts nowhere
    even = segmentation_loss(logits, target, weights=torch.ones(3))
    torch.testing.assert_close(even, segmentation_loss(logits, target))
    nobody = torch.full_like(target, IGNORE)
    assert segmentation_loss(logits, nobody, weights=torch.tensor(weights)).item() < 1
