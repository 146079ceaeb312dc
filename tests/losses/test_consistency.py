import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.losses import consistency_loss, entropy, mean_squared_difference, sharpen

SHAPE = (2, 3, 2)


def make_logits(seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(2, 3, *SHAPE, generator=generator, dtype=dtype)


def make_inside() -> Tensor:
    inside = torch.ones(2, *SHAPE, dtype=torch.bool)
    inside[0, 0] = False
    return inside


def make_mask() -> Tensor:
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(9)) < 0.5


def plain_difference(first: Tensor, second: Tensor, mask: Tensor) -> float:
    terms = []
    for b, x, y, z in np.ndindex(*mask.shape):
        if mask[b, x, y, z]:
            for k in range(first.shape[1]):
                terms.append(float(first[b, k, x, y, z] - second[b, k, x, y, z]) ** 2)
    return sum(terms) / len(terms)


def test_consistency_is_the_mean_squared_difference_of_softmaxes_inside() -> None:
    student, teacher, inside = make_logits(0), make_logits(1), make_inside()
    expected = plain_difference(student.softmax(1), teacher.softmax(1), inside)
    assert float(consistency_loss(student, teacher, inside)) == pytest.approx(expected, rel=1e-5)


def test_the_teacher_takes_no_gradient() -> None:
    student, teacher = make_logits(0).requires_grad_(), make_logits(1).requires_grad_()
    consistency_loss(student, teacher, make_inside()).backward()
    assert student.grad is not None
    assert teacher.grad is None


@pytest.mark.slow
def test_a_difference_teaches_both_sides_unless_detached() -> None:
    first, second = make_logits(0, torch.float64), make_logits(1, torch.float64)
    mask = make_mask()
    pair = (first.requires_grad_(), second.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda p, q: mean_squared_difference(p.softmax(1), q.softmax(1), mask), pair
    )


def test_an_empty_mask_gives_zero() -> None:
    logits = make_logits(0).requires_grad_()
    value = mean_squared_difference(logits.softmax(1), make_logits(1), make_mask() & False)
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_sharpening_follows_its_equation(temperature: float) -> None:
    probabilities = make_logits(0, torch.float64).softmax(1)
    sharp = sharpen(probabilities, temperature)
    for b, x, y, z in np.ndindex(2, *SHAPE):
        powers = [float(p) ** (1 / temperature) for p in probabilities[b, :, x, y, z]]
        expected = [power / sum(powers) for power in powers]
        assert sharp[b, :, x, y, z].tolist() == pytest.approx(expected, rel=1e-9)


def test_sharpening_is_differentiable_and_bears_any_temperature() -> None:
    logits = make_logits(0, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: sharpen(z.softmax(1), 0.1), logits)
    probabilities = torch.full((1, 16, 1, 1, 1), 1 / 16)
    assert sharpen(probabilities, 1e-3).sum().item() == pytest.approx(1)


def test_entropy_follows_its_equation() -> None:
    probabilities = make_logits(0).softmax(1)
    value = entropy(probabilities)
    for b, x, y, z in np.ndindex(2, *SHAPE):
        expected = -sum(float(p) * math.log(float(p)) for p in probabilities[b, :, x, y, z])
        assert float(value[b, x, y, z]) == pytest.approx(expected, rel=1e-5)


def test_entropy_of_a_sure_voxel_is_zero_and_has_a_finite_slope() -> None:
    sure = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1, 1).requires_grad_()
    value = entropy(sure)
    assert value.item() == 0
    value.sum().backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()
    even = torch.full((1, 4, 1, 1, 1), 0.25, dtype=torch.float64, requires_grad=True)
    assert entropy(even).item() == pytest.approx(math.log(4))
    assert torch.autograd.gradcheck(entropy, even)
