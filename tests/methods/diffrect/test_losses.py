import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of
from crln.methods.diffrect.method import complementary_loss, label_distance

SHAPE = (2, 3, 2, 2)


def space(classes: int) -> LabelSpace:
    return LabelSpace.of(list(range(classes)), {})


CRITERIA = criteria_of(space(3))


def make_labels(seed: int, low: int = 0) -> Tensor:
    return torch.randint(low, 3, SHAPE, generator=torch.Generator().manual_seed(seed))


def make_logits() -> Tensor:
    return 2 * torch.randn(2, 3, *SHAPE[1:], generator=torch.Generator().manual_seed(0))


def plain_complementary(logits: Tensor, absent: Tensor) -> float:
    denials, disorders = [], []
    for b, x, y, z in np.ndindex(*absent.shape):
        if absent[b, x, y, z] == IGNORE:
            continue
        powers = [math.exp(v) for v in logits[b, :, x, y, z].tolist()]
        p = [power / sum(powers) for power in powers]
        denials.append(-math.log(1 - p[int(absent[b, x, y, z])]))
        disorders.append(-sum(v * math.log(v) for v in p))
    sureness = 1 - sum(disorders) / len(disorders) / math.log(3)
    return sureness * sum(denials) / len(denials)


def test_complementary_loss() -> None:
    logits, absent = make_logits(), make_labels(1, low=-1)
    found = float(complementary_loss(logits, absent, CRITERIA))
    assert found == pytest.approx(plain_complementary(logits, absent), rel=1e-4)


def test_what_is_absent_loses_probability() -> None:
    logits, absent = make_logits().requires_grad_(), make_labels(1)
    complementary_loss(logits, absent, CRITERIA).backward()
    assert logits.grad is not None
    assert (logits.grad.gather(1, absent.unsqueeze(1)) >= 0).all()


def test_nothing_valid_costs_nothing() -> None:
    logits = make_logits().requires_grad_()
    loss = complementary_loss(logits, torch.full(SHAPE, IGNORE), CRITERIA)
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_label_distance() -> None:
    labels, target = make_labels(2, low=-1), make_labels(3, low=-1)
    expected = []
    for k in range(3):
        ours = {p for p in np.ndindex(*SHAPE) if labels[p] == k and target[p] != IGNORE}
        theirs = {p for p in np.ndindex(*SHAPE) if target[p] == k}
        expected.append(1 - 2 * len(ours & theirs) / (len(ours) + len(theirs)))
    assert float(label_distance(labels, target, space(3))) == pytest.approx(
        np.mean(expected), abs=1e-4
    )


def test_the_same_labels_are_at_no_distance() -> None:
    target = make_labels(3)
    assert float(label_distance(target, target, space(3))) == pytest.approx(0, abs=1e-6)
    assert float(label_distance(target, target, space(7))) == pytest.approx(0, abs=1e-6)
