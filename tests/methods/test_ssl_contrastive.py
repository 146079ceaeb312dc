"""Verification, the winner's reliable labels and the contrast, against plain loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of
from crln.methods import Step
from crln.methods.ssl_contrastive import class_contrast

LATE = Step(9, 10, 0)
Make = Callable[..., Any]


def test_verification_is_where_sure_networks_differ(make_method: Make) -> None:
    method = make_method("ssl_contrastive")
    generator = torch.Generator().manual_seed(1)
    logits = list(torch.randn(2, 1, 3, 4, 4, 4, generator=generator))
    target = torch.randint(-1, 3, (1, 4, 4, 4), generator=generator)
    errors = []
    for x, y, z in np.ndindex(4, 4, 4):
        each = [p[0, :, x, y, z].softmax(0).tolist() for p in logits]
        truth = int(target[0, x, y, z])
        differ = np.argmax(each[0]) != np.argmax(each[1])
        if truth == IGNORE or not differ or max(map(max, each)) < method.options.sure:
            continue
        errors.append(
            sum(np.mean([(q - (k == truth)) ** 2 for k, q in enumerate(p)]) for p in each)
        )
    assert errors
    assert method._verification(logits, target).item() == pytest.approx(np.mean(errors), rel=1e-4)


def test_the_lowest_share_of_each_class_is_reliable(make_method: Make) -> None:
    """Of a rare class as of a common one."""
    method = make_method("ssl_contrastive", reliable=0.25, reliable_at_end=0.75, voxels=4096)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 2, 16, 16, 16, generator=generator)
    logits[:, 0] += 1.5
    label = logits.argmax(1)
    for step, share in ((Step(0, 10, 0), 0.25), (Step(5, 10, 0), 0.5)):
        found = method._reliable(logits, label, step, torch.Generator().manual_seed(2))
        entropy = method.criteria.entropy(logits.softmax(1))
        for k in (0, 1):
            of_class = label == k
            assert float(found[of_class].float().mean()) == pytest.approx(share, abs=0.05)
            least = entropy[of_class & ~found].min()
            assert entropy[of_class & found].max() <= least


def contrast(features: Tensor, classes: Tensor, doubted: Tensor, space: LabelSpace) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return class_contrast(features, classes, doubted, criteria_of(space), 512, 0.5, draws)


def test_uncertain_voxels_are_told_from_the_centres_of_other_classes() -> None:
    """Of three classes; one voxel of each is in doubt, the others make the centres."""
    features = torch.randn(1, 5, 4, 3, 2, generator=torch.Generator().manual_seed(3))
    classes = torch.arange(24).view(1, 4, 3, 2) % 3
    doubted = torch.full_like(classes, IGNORE)
    doubted[0, 3, :, 1] = classes[0, 3, :, 1]
    classes[0, 3, :, 1] = IGNORE
    rows, known = features[0].flatten(1).T, classes.flatten()
    # Centres and queries are drawn with replacement: few queries, all of them, come out the same.
    space = LabelSpace((0, 1, 2), ("background", "a", "b"))
    found = contrast(features, classes, doubted, space)
    centres = torch.stack([rows[known == k].mean(0) for k in range(3)])
    expected = []
    for row, k in zip(rows, doubted.flatten().tolist(), strict=True):
        if k != IGNORE:
            cosines = torch.cosine_similarity(row[None], centres) / 0.5
            expected.append(-cosines.log_softmax(0)[k])
    assert len(expected) == 3
    torch.testing.assert_close(found, torch.stack(expected).mean(), rtol=0.1, atol=0.05)


def test_a_class_without_reliable_voxels_counts_nothing() -> None:
    features = torch.randn(1, 5, 4, 4, 4, generator=torch.Generator().manual_seed(3))
    nothing = torch.full((1, 4, 4, 4), IGNORE)
    space = LabelSpace((0, 1, 2), ("background", "a", "b"))
    assert contrast(features, nothing, torch.ones_like(nothing), space) == 0
    assert contrast(features, torch.zeros_like(nothing), nothing, space) == 0


@pytest.mark.slow
@pytest.mark.parametrize("winner", [0, 1])
def test_unlabelled_terms_teach_the_other_network_alone(
    make_method: Make, make_patches: Make, winner: int
) -> None:
    """The released code's have no gradient at all."""
    method = make_method("ssl_contrastive")
    labelled, unlabelled = make_patches(method, 1), make_patches(method, 2)
    method.lately.copy_(torch.tensor([1.0, 1.0]))
    method.lately[winner] = 0.0
    losses = method.losses(labelled, unlabelled, LATE)
    for name in ("unsupervised", "contrast"):
        method.zero_grad()
        losses[name].backward(retain_graph=True)
        taught = [
            sum(float(p.grad.abs().sum()) for p in student.parameters() if p.grad is not None)
            for student in method.students
        ]
        assert taught[winner] == 0, name
        assert taught[1 - winner] > 0, name


@pytest.mark.slow
def test_the_winner_is_remembered_by_the_checkpoint(make_method: Make, make_patches: Make) -> None:
    method = make_method("ssl_contrastive")
    method.losses(make_patches(method, 1), make_patches(method, 2), Step(0, 10, 0))
    assert method.state_dict()["lately"].min() > 0
