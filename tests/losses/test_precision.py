"""What holds for every loss: its precision, its silence on nothing, and that it never waits."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from crln.labels import IGNORE
from crln.losses import (
    consistency_loss,
    cross_entropy,
    entropy,
    full_precision,
    mean_squared_difference,
    segmentation_loss,
    sharpen,
    soft_dice_loss,
)
from crln.methods.crln.contrastive import cooperative_positive_supervision, prototype_alignment
from crln.methods.crln.method import pseudo_label_loss

SHAPE = (2, 4, 6, 3)


def positive(logits: Tensor, target: Tensor) -> Tensor:
    """CPS and alignment, the logits themselves as embeddings."""
    prototypes = torch.ones(3, 3, device=logits.device)
    terms = cooperative_positive_supervision(
        lambda voxels: logits.movedim(1, -1).flatten(0, 3)[voxels],
        logits.detach().softmax(1),
        target,
        prototypes,
        queries=5,
        negatives=7,
        pool=11,
        generator=torch.Generator().manual_seed(0),
    )
    return terms.loss + prototype_alignment(prototypes, terms)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": cross_entropy,
    "soft_dice": soft_dice_loss,
    "dice_per_sample": lambda z, y: soft_dice_loss(
        z, y, squared=False, foreground=False, over="sample"
    ),
    "segmentation": segmentation_loss,
    "pseudo_label": lambda z, y: pseudo_label_loss(z, y, (y > 0).float()),
    "consistency": lambda z, y: consistency_loss(z, 0.5 * z, y > 0),
    "sharpened": lambda z, y: mean_squared_difference(
        z.softmax(1), sharpen(z.softmax(1), 0.1), y != IGNORE
    ),
    "entropy": lambda z, y: (entropy(z.softmax(1)) * (y != IGNORE)).sum(),
    "positive": positive,
}


@pytest.fixture(params=sorted(LOSSES))
def loss(request: pytest.FixtureRequest) -> Callable[[Tensor, Tensor], Tensor]:
    return LOSSES[request.param]


def make_case(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(SHAPE[0], 3, *SHAPE[1:], generator=generator).to(dtype)
    target = torch.randint(IGNORE, 3, SHAPE, generator=generator)
    return logits.requires_grad_(), target


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_no_less_than_32_bits(given: torch.dtype, kept: torch.dtype) -> None:
    assert full_precision(torch.ones(2, dtype=given)).dtype == kept


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_give_the_loss_of_their_values_in_32_bits(
    loss: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype
) -> None:
    logits, target = make_case(dtype)
    value = loss(logits, target)
    assert value.dtype == torch.float32
    value.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    rounded_before = [LOSSES[name] for name in ("sharpened", "entropy", "positive")]
    if loss not in rounded_before:  # these take probabilities, of a softmax in half precision
        torch.testing.assert_close(value, loss(logits.detach().float(), target))


def test_autocast_changes_nothing(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits, target = make_case()
    plain = loss(logits, target)
    with torch.autocast("cpu", torch.bfloat16):
        cast = loss(logits, target)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain, rtol=0, atol=0)


def test_where_all_is_ignored_the_loss_is_zero_and_so_is_its_gradient(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    logits, target = make_case()
    value = loss(logits, torch.full_like(target, IGNORE))
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def test_nothing_waits_for_the_device(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Fake tensors hold no values: reading one, or a shape that depends on one, is an error."""
    with FakeTensorMode():
        logits = torch.empty(SHAPE[0], 3, *SHAPE[1:], requires_grad=True)
        value = loss(logits, torch.empty(SHAPE, dtype=torch.long))
        value.backward()
    assert value.shape == ()
