"""The terms of overlapping classes, against plain loops over voxels."""

import math

import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import Criteria, criteria_of

SPACE = LabelSpace.of([0, 1, 2], {1: "liver", 2: "tumour"}, exclusive=False)
UNKNOWN_TUMOUR = 8
"""The bit that says so: of two structures the fourth."""


@pytest.fixture
def criteria() -> Criteria:
    return criteria_of(SPACE)


@pytest.fixture
def drawn() -> tuple[Tensor, Tensor]:
    """Logits and a target with every combination, some voxels unknown, some of tumour alone."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 3, 3, 4, 2, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 4, (2, 3, 4, 2), generator=generator)
    target[0, 0] = IGNORE
    target[1, 1, :2] = target[1, 1, :2] % 2 + UNKNOWN_TUMOUR
    return logits, target


def said(code: int) -> list[bool | None]:
    """Of background, liver and tumour: whether it is there, None where nobody knows."""
    if code == IGNORE:
        return [None, None, None]
    liver, tumour = bool(code & 1), bool(code & 2)
    if not code & UNKNOWN_TUMOUR:
        return [not (liver or tumour), liver, tumour]
    return [False if liver else None, liver, None]


def pairs(logits: Tensor, target: Tensor, k: int) -> list[tuple[float, float]]:
    """Probability and truth of every voxel in which class k is known."""
    found = []
    for place in torch.cartesian_prod(*map(torch.arange, target.shape)).tolist():
        truth = said(int(target[tuple(place)]))[k]
        if truth is not None:
            z = float(logits[place[0], k, *place[1:]])
            found.append((1 / (1 + math.exp(-z)), float(truth)))
    return found


def entropy_of(p: float, g: float) -> float:
    return -math.log(p if g else 1 - p)


def dice_of(values: list[tuple[float, float]], power: int) -> float:
    overlap = 2 * sum(p * g for p, g in values)
    return (overlap + 1e-5) / (sum(p**power + g for p, g in values) + 1e-5)


def test_cross_entropy_is_the_mean_over_classes_and_what_is_known(
    criteria: Criteria, drawn: tuple[Tensor, Tensor]
) -> None:
    values = [entropy_of(*pair) for k in range(3) for pair in pairs(*drawn, k)]
    assert float(criteria.cross_entropy(*drawn)) == pytest.approx(sum(values) / len(values))
    each = criteria.voxel_cross_entropy(*drawn)
    assert (each[drawn[1] == IGNORE] == 0).all()
    one = (1, 2, 3, 1)
    truth = [bool(t) for t in said(int(drawn[1][one]))]
    expected = [
        entropy_of(1 / (1 + math.exp(-float(drawn[0][1, k, 2, 3, 1]))), truth[k]) for k in range(3)
    ]
    assert float(each[one]) == pytest.approx(sum(expected) / 3)


def test_a_label_teaches_half_cross_entropy_half_dice_of_each_class(
    criteria: Criteria, drawn: tuple[Tensor, Tensor]
) -> None:
    values = [entropy_of(*pair) for k in range(3) for pair in pairs(*drawn, k)]
    dice = [dice_of(pairs(*drawn, k), 2) for k in (1, 2)]
    expected = (sum(values) / len(values) + 1 - sum(dice) / 2) / 2
    found = criteria.segmentation(*drawn, ["dice_ce"], None)
    assert float(found) == pytest.approx(expected)
    plain = criteria.dice(*drawn, squared=False, foreground=False)
    assert float(plain) == pytest.approx(
        1 - sum(dice_of(pairs(*drawn, k), 1) for k in range(3)) / 3
    )


def test_weights_of_classes_weigh_both_terms(
    criteria: Criteria, drawn: tuple[Tensor, Tensor]
) -> None:
    weights = [1.0, 4.0, 0.0]
    sums = [sum(entropy_of(*pair) for pair in pairs(*drawn, k)) for k in range(3)]
    counts = [len(pairs(*drawn, k)) for k in range(3)]
    entropy = sum(w * s for w, s in zip(weights, sums, strict=True)) / sum(
        w * n for w, n in zip(weights, counts, strict=True)
    )
    expected = (entropy + 1 - dice_of(pairs(*drawn, 1), 2)) / 2
    found = criteria.segmentation(*drawn, ["dice_ce"], torch.tensor(weights))
    assert float(found) == pytest.approx(expected)


def test_what_nobody_knows_teaches_nothing(
    criteria: Criteria, drawn: tuple[Tensor, Tensor]
) -> None:
    logits = drawn[0].requires_grad_()
    nothing = torch.full_like(drawn[1], IGNORE)
    for term in ("dice_ce", "cross_entropy", "dice"):
        loss = criteria.segmentation(logits, nothing, [term], None)
        assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
        loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_pseudo_label_leaves_unknown_what_is_unsure(criteria: Criteria) -> None:
    p = torch.tensor([[0.5, 0.95, 0.2], [0.5, 0.6, 0.05], [0.5, 0.02, 0.99]]).T[
        None, :, :, None, None
    ]
    confidence, label = criteria.confident(p)
    assert label.flatten().tolist() == [1, 1, 2]
    torch.testing.assert_close(confidence.flatten(), torch.tensor([0.8, 0.6, 0.98]))
    confidence, label = criteria.confident(p, 0.9)
    assert label.flatten().tolist() == [1 + UNKNOWN_TUMOUR, 1 + 4, 2]
    torch.testing.assert_close(confidence.flatten(), torch.tensor([0.95, 0.95, 0.99]))


def test_entropy_divergence_and_sharpening_are_those_of_coins(criteria: Criteria) -> None:
    first, second = torch.randn(2, 1, 3, 2, 2, 2, generator=torch.Generator().manual_seed(3))
    p, q = (torch.stack([z.sigmoid(), 1 - z.sigmoid()]).double() for z in (first, second))
    entropy = -(p * p.log()).sum(0).mean(1)
    torch.testing.assert_close(criteria.entropy(first.sigmoid()).double(), entropy)
    divergence = (p * (p / q).log()).sum(0).mean(1)
    found, disorder = criteria.divergence(first, second)
    torch.testing.assert_close(found.double(), divergence)
    torch.testing.assert_close(disorder.double(), entropy)
    sharp = p[0] ** 10 / (p[0] ** 10 + p[1] ** 10)
    torch.testing.assert_close(criteria.sharpen(first.sigmoid(), 0.1).double(), sharp)
    assert float(criteria.entropy(torch.full((1, 3, 1, 1, 1), 0.5))) == pytest.approx(
        criteria.disorder
    )
