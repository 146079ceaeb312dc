"""The fused pseudo-label against a loop over voxels, and whose turn it is."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from crln.labels import IGNORE
from crln.methods import Step
from crln.methods.ad_mt import AlternateTeaching, brightness_contrast
from crln.methods.teacher import Teacher

pytestmark = pytest.mark.slow


class Fixed(nn.Module):
    """A network whose logits are given."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.answer = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.answer


@pytest.fixture
def method(make_method: Callable[..., Any]) -> AlternateTeaching:
    return make_method("ad_mt")


def softmax(values: np.ndarray) -> np.ndarray:
    power = np.exp(values - values.max())
    return power / power.sum()


def fused(first: np.ndarray, second: np.ndarray, student: np.ndarray, threshold: float) -> int:
    """The label of one voxel, from three vectors of logits."""
    teachers = [softmax(first), softmax(second)]
    share = softmax(np.array([(q * np.log2(q)).sum() for q in teachers]))
    mean = share[0] * teachers[0] + share[1] * teachers[1]
    label, sure = int(mean.argmax()), mean.max()
    own = softmax(student)
    disputed = teachers[0].argmax() != teachers[1].argmax()
    if disputed and own.argmax() != label and own.max() > sure:
        label, sure = int(own.argmax()), own.max()
    return label if sure >= threshold else IGNORE


def test_teachers_are_fused_and_disputes_settled_by_a_surer_student(
    method: AlternateTeaching,
) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = [3 * torch.randn(1, 3, 4, 4, 4, generator=generator) for _ in range(3)]
    for teacher, answer in zip(method.teachers, logits, strict=False):
        cast(Teacher, teacher).network = Fixed(answer)
    threshold = method.options.confidence
    found = method._pseudo_label(torch.zeros(1, 1, 4, 4, 4), logits[2])[0].flatten()
    voxels = [z[0].flatten(1).T.double().numpy() for z in logits]
    expected = [fused(*each, threshold) for each in zip(*voxels, strict=True)]
    assert found.tolist() == expected
    plain = [fused(a, b, np.zeros(3), threshold) for a, b, _ in zip(*voxels, strict=True)]
    assert plain != expected  # so the student has settled some
    assert IGNORE in expected


def test_one_teacher_a_turn_follows_the_student(method: AlternateTeaching) -> None:
    total, longest = 400, method.options.longest
    turns = [method._turn(Step(index, total, seed=3)) for index in range(total)]
    assert set(turns) == {0, 1}
    ends = [i for i in range(1, total) if turns[i] != turns[i - 1]]
    assert max(np.diff([0, *ends])) <= longest
    step = Step(300, total, seed=3)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1.0)
    before = [[p.clone() for p in teacher.parameters()] for teacher in method.teachers]
    method.update(step)
    for index, teacher in enumerate(method.teachers):
        same = all(
            torch.equal(p, q) for p, q in zip(teacher.parameters(), before[index], strict=True)
        )
        assert same == (index != turns[300])


def test_the_first_teachers_view_is_brighter_or_darker_and_sometimes_noisy(
    make_method: Callable[..., Any],
) -> None:
    images = torch.rand(64, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0)) + 1
    random = np.random.default_rng(0)
    changed = make_method("ad_mt")._jittered(images, random)
    same = (changed == images).flatten(1).all(1).float().mean().item()
    assert 0.05 < same < 0.3  # 0.2 x 0.8 of them
    assert changed.amax() > 2.1  # noise alone leaves the range
    quiet = make_method("ad_mt", noise=0.0)._jittered(images, random)
    assert (quiet.amax((1, 2, 3, 4)) <= 2).all()  # the range is kept,
    shift = (quiet - images).mean((1, 2, 3, 4))
    assert shift.min() < -0.1 < 0.1 < shift.max()  # though means move


@pytest.mark.parametrize(("contrast", "brightness"), [(0.6, 0.4), (1.5, -0.5)])
def test_brightness_and_contrast_against_numpy(contrast: float, brightness: float) -> None:
    channel = torch.randn(7, 6, 5, generator=torch.Generator().manual_seed(4))
    values = channel.numpy()
    unit = contrast * (values - values.min()) / np.ptp(values)
    expected = np.clip(unit + brightness * unit.mean(), 0, 1) * np.ptp(values) + values.min()
    found = brightness_contrast(channel, contrast, brightness)
    np.testing.assert_allclose(found, expected, atol=1e-5)
