"""The confident regional cross-entropy and the translation term against plain references."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from crln.labels import IGNORE
from crln.methods.tracoco import TraCoCo


@pytest.fixture
def method(make_method: Callable[..., Any]) -> TraCoCo:
    return make_method("tracoco")


def test_confident_regional_cross_entropy(method: TraCoCo) -> None:
    """Mean over sure voxels of max p CE, plus mean of min p (-log(1 - p)) over sure absences."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 3, 3, 3, 3, generator=generator)
    taught = (2 * torch.randn(1, 3, 3, 3, 3, generator=generator)).softmax(1)
    outside = torch.zeros(1, 3, 3, 3, dtype=torch.bool)
    outside[:, 0] = True
    student = logits.softmax(1)[0].flatten(1).T.tolist()
    agrees, denies = [], []
    voxels = zip(taught[0].flatten(1).T.tolist(), student, outside.flatten().tolist(), strict=True)
    for q, p, left_out in voxels:
        if left_out:
            continue
        if max(q) >= method.options.positive:
            agrees.append(-max(q) * np.log(p[int(np.argmax(q))]))
        if min(q) < method.options.negative:
            denies.append(-min(q) * np.log(1 - p[int(np.argmin(q))]))
    assert agrees
    assert denies
    found = method._confident(logits, taught, outside)
    assert found.item() == pytest.approx(np.mean(agrees) + np.mean(denies), rel=1e-5)


def test_crops_that_agree_cost_their_entropy_alone(method: TraCoCo) -> None:
    size = method.plan.patch_size
    field = torch.randn(
        1, 2, *(side + 4 for side in size), generator=torch.Generator().manual_seed(2)
    )
    starts = np.array([[0, 2, 4], [3, 1, 0]])
    pair = [
        field[..., x : x + size[0], y : y + size[1], z : z + size[2]] for x, y, z in starts.tolist()
    ]
    truth = torch.zeros(1, *size, dtype=torch.int64)
    truth[:, :, :, -6:] = IGNORE
    found = method._translation(pair, starts, truth)
    # Both hold field[3:x, 2:y + 1, 4:z]; of it the first crop's last six slices are left out.
    x, y, z = size
    p = field[..., 3:x, 2 : y + 1, 4 : z - 2].softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    torch.testing.assert_close(found, -method.options.entropy * entropy)


def test_crops_that_differ_cost_their_divergence(method: TraCoCo) -> None:
    size = method.plan.patch_size
    generator = torch.Generator().manual_seed(3)
    pair = [torch.randn(1, 2, *size, generator=generator) for _ in range(2)]
    starts = np.zeros((2, 3), dtype=int)
    p, q = (z.softmax(1) for z in pair)
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    disorder = -(p * p.log()).sum(1).mean()
    expected = method.options.translation * divergence - method.options.entropy * disorder
    truth = torch.zeros(1, *size, dtype=torch.int64)
    torch.testing.assert_close(method._translation(pair, starts, truth), expected)
