import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.methods.crln.method import pseudo_label_loss

SHAPE = (3, 2, 4)


def make_case(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, *SHAPE, generator=generator, dtype=dtype)
    pseudo = torch.randint(4, (3, *SHAPE), generator=generator)
    outside = torch.rand(pseudo.shape, generator=generator) < 0.3
    confidence = 0.9 + 0.1 * torch.rand(pseudo.shape, generator=generator)
    return logits, pseudo.masked_fill(outside, IGNORE), confidence


def plain(logits: Tensor, pseudo: Tensor, confidence: Tensor, threshold: float) -> float:
    total = 0.0
    for b in range(len(logits)):
        terms, sure = [], 0
        for x, y, z in np.ndindex(*SHAPE):
            label = int(pseudo[b, x, y, z])
            if label == IGNORE:
                continue
            scores = logits[b, :, x, y, z].tolist()
            terms.append(math.log(sum(math.exp(s) for s in scores)) - scores[label])
            sure += float(confidence[b, x, y, z]) >= threshold
        if terms:
            total += sure / len(terms) * sum(terms) / len(terms)
    return total / len(logits)


@pytest.mark.parametrize("threshold", [0.0, 0.92, 0.97, 1.1])
def test_it_follows_its_equation(threshold: float) -> None:
    case = make_case()
    assert float(pseudo_label_loss(*case, threshold)) == pytest.approx(
        plain(*case, threshold), rel=1e-5
    )


def test_an_image_that_lies_outside_counts_zero() -> None:
    logits, pseudo, confidence = make_case()
    pseudo[1] = IGNORE
    expected = plain(logits, pseudo, confidence, 0.95)
    assert float(pseudo_label_loss(logits, pseudo, confidence, 0.95)) == pytest.approx(
        expected, rel=1e-5
    )


def test_confidence_of_invalid_voxels_does_not_count() -> None:
    logits, pseudo, confidence = make_case()
    louder = confidence.masked_fill(pseudo == IGNORE, 1.0)
    torch.testing.assert_close(
        pseudo_label_loss(logits, pseudo, louder), pseudo_label_loss(logits, pseudo, confidence)
    )


def test_a_confidence_at_the_threshold_is_confident() -> None:
    logits, pseudo, confidence = make_case()
    at, below = torch.full_like(confidence, 0.97), torch.full_like(confidence, 0.9699)
    assert float(pseudo_label_loss(logits, pseudo, at)) > 0
    assert float(pseudo_label_loss(logits, pseudo, below)) == 0


@pytest.mark.slow
def test_gradients_are_right() -> None:
    logits, pseudo, confidence = make_case(torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: pseudo_label_loss(z, pseudo, confidence.double(), 0.95), logits.requires_grad_()
    )
