"""The skeleton of a label, against maps of one class each and scipy."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of, detail_loss
from crln.losses.detail import TERM, dilate, share, soft_skeleton
from crln.losses.skeleton import recall, skeleton, skeleton_recall, tube

ALL = (0, 1, 2)


def blobs(seed: int, classes: int = 4, shape: tuple[int, ...] = (2, 14, 15, 16)) -> Tensor:
    """Blobs of several classes that touch each other and the border."""
    random = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(random.normal(size=shape), 1.5) for _ in range(classes + 1)]
    return torch.from_numpy(np.argmax(fields, axis=0))


def maps(label: Tensor, classes: int) -> Tensor:
    """(B, classes, X, Y, Z), 1 where each is."""
    return torch.stack([label == k for k in range(1, classes + 1)], 1).float()


@pytest.mark.parametrize("axes", [ALL, (0, 1)])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_that_of_a_map_of_each_class_by_itself(axes: tuple[int, ...], seed: int) -> None:
    label = blobs(seed)
    alone = maps(label, 4)
    middle = soft_skeleton(alone, axes)
    assert torch.equal(skeleton(label, axes), middle.sum(1) > 0)
    assert torch.equal(tube(label, axes), (dilate(middle, axes) * alone).sum(1) > 0)


def test_a_share_is_counted_class_by_class() -> None:
    label = torch.tensor([0, 1, 1, 3]).view(1, 4, 1, 1)
    part = torch.tensor([True, True, True, True]).view(1, 4, 1, 1)
    own = torch.tensor([0.9, 0.5, 0.25, 0.5]).view(1, 4, 1, 1)
    assert recall(part, own, label, 3).tolist() == pytest.approx([1.75 / 3, 1, 0.75])


def test_the_loss_is_the_share_of_the_tube_that_is_missed() -> None:
    truth = np.zeros((12, 12, 18), np.int64)
    truth[3:6, 3:6, 2:16] = 1
    middle = skeleton(torch.from_numpy(truth)[None], ALL)[0].numpy()
    around = ndimage.binary_dilation(middle, np.ones((3, 3, 3))) & (truth > 0)
    half = np.zeros(truth.shape, np.float32)
    half[:, :, :9] = 1
    expected = 1 - ((around * half).sum() + 1) / (around.sum() + 1)
    found = skeleton_recall(torch.from_numpy(half)[None], torch.from_numpy(truth)[None], 1, ALL)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("exclusive", [True, False])
def test_values_and_slopes_are_those_of_maps_of_every_class(exclusive: bool) -> None:
    space = LabelSpace.of([0, 1, 2, 3], {}, exclusive=exclusive)
    criteria = criteria_of(space)
    target = blobs(2, classes=3)
    target[:, :4] = IGNORE
    logits = torch.randn(2, 4, 14, 15, 16, generator=torch.Generator().manual_seed(0))
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))

    loss = detail_loss(["skeleton_recall"], criteria, ours, target, ALL)
    known = criteria.known(target)[:, 1:]
    p = criteria.probabilities(theirs)[:, 1:] * known
    g = (criteria.held(target)[:, 1:] & known).float()
    plain = TERM * (1 - share(dilate(soft_skeleton(g, ALL), ALL) * g, p).mean())

    torch.testing.assert_close(loss, plain)
    loss.backward()
    plain.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert ours.grad is not None
    assert not ours.grad[:, :, :4].any()
