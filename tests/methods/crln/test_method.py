"""The stages of CRLN's training; its equations are tested where they live."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from crln.labels import IGNORE
from crln.methods import Step, build_method
from crln.planning import Plan
from crln.testing import make_batch

pytestmark = pytest.mark.slow

Make = Callable[..., Any]


@pytest.mark.slow
@pytest.mark.parametrize(("index", "heard"), [(3, False), (4, True)])
def test_the_total_is_the_sum_of_the_stages_terms(
    make_method: Make, make_patches: Make, tiny_plan: Plan, index: int, heard: bool
) -> None:
    plan = tiny_plan.updated({"training": {"labelled_start": 0.4}})
    method = make_method("crln", plan, valid_confidence=0)
    losses = method.losses(make_patches(method, 1), make_patches(method, 2), Step(index, 10, 0))
    total = losses.pop("total")
    torch.testing.assert_close(total, sum(losses.values()))
    assert (losses["unsupervised"] > 0) == heard


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({"valid_confidence": 0.9}, False),
        ({"valid_confidence": 0.7}, True),
        ({"valid_confidence": 0.9, "confidence": 0.7, "trusted_only": False}, True),
        ({"valid_confidence": 0.7, "confidence": 0.9, "trusted_only": False}, False),
    ],
)
def test_unsure_voxels_are_left_out_or_weigh_the_rest_down(
    make_method: Make,
    make_patches: Make,
    tiny_plan: Plan,
    options: dict[str, float],
    heard: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By their own confidence, or, as in the paper, by the image's share of sure ones."""
    options = options | {"copy_paste": 0}  # a labelled box would always be heard
    method = make_method("crln", **options)
    labels = torch.zeros(2, *tiny_plan.patch_size, dtype=torch.int64)
    taught = (labels, torch.full(labels.shape, 0.8))
    monkeypatch.setattr(method, "_pseudo_label", lambda *_: taught)
    losses = method.losses(make_patches(method, 1), make_patches(method, 2), Step(9, 10, 0))
    assert (losses["unsupervised"] > 0) == heard


@pytest.mark.slow
def test_every_voxel_trusted_is_the_mean_over_all(make_method: Make, make_patches: Make) -> None:
    def unsupervised(**options: float) -> torch.Tensor:
        options |= {"valid_confidence": 0.0, "confidence": 0.0, "strong_views": 0, "copy_paste": 0}
        method = make_method("crln", **options)
        return method.losses(make_patches(method, 1), make_patches(method, 2), Step(9, 10, 0))[
            "unsupervised"
        ]

    paper = unsupervised(trusted_only=False, unsupervised_weight=1.0)
    ours = unsupervised(trusted_only=True, unsupervised_weight=2.0)
    # Of images with unlike shares outside the scan the paper's is the mean of two means.
    torch.testing.assert_close(ours, 2 * paper, rtol=0.02, atol=0)


def volumes(plan: Plan, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, classes and a confidence below 1."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, *plan.patch_size, generator=generator)
    return images, (images[:, 0] > 0.5).long(), images[:, 0].abs().clamp(max=0.9)


@pytest.mark.slow
def test_strong_views_differ_and_share_their_pseudo_label(
    make_method: Make, tiny_plan: Plan
) -> None:
    """The first of several is the one that one alone would be."""
    labelled, taught = volumes(tiny_plan, 2, 1)[:2], volumes(tiny_plan, 2, 2)

    def views(count: int) -> tuple[torch.Tensor, ...]:
        method = make_method("crln", strong_views=count, copy_paste=0)
        return method._student_views(labelled, taught, torch.Generator().manual_seed(3))

    none, one, two = views(0), views(1), views(2)
    for ours, theirs in zip(none, taught, strict=True):
        assert torch.equal(ours, theirs)
    for alone, first in zip(one, (part[:2] for part in two), strict=True):
        assert torch.equal(first, alone)
    assert [len(part) for part in two] == [4, 4, 4]
    assert not torch.equal(two[0][:2], two[0][2:])


@pytest.mark.parametrize(("known", "others"), [(2, 2), (1, 3), (3, 2)])
def test_a_box_of_a_labelled_patch_is_pasted_with_its_label(
    make_method: Make, tiny_plan: Plan, known: int, others: int
) -> None:
    """One more view; patches take turns where there are fewer labelled ones."""
    images, target, _ = volumes(tiny_plan, known, 1)
    target[:, :, :, :3] = IGNORE
    taught = volumes(tiny_plan, others, 2)
    method = make_method("crln", strong_views=0, copy_paste=0.5)
    views = method._student_views((images, target), taught, torch.Generator().manual_seed(3))
    image, label, confidence = (part[others:] for part in views)
    inside = (image != taught[0])[:, 0]
    assert inside.sum() == others * np.prod([side // 2 for side in tiny_plan.patch_size])
    for i in range(others):
        box, partner = inside[i], i % known
        assert torch.equal(box, inside[0])
        assert torch.equal(image[i, 0][box], images[partner, 0][box])
        assert torch.equal(label[i], torch.where(box, target[partner], taught[1][i]))
        sure = (target[partner] != IGNORE).float()
        assert torch.equal(confidence[i], torch.where(box, sure, taught[2][i]))


@pytest.mark.slow
@pytest.mark.parametrize("joint_pass", [True, False])
@pytest.mark.parametrize(
    ("strong", "side", "views"), [(0, 0, 1), (1, 0, 1), (1, 0.5, 2), (3, 0.5, 4)]
)
def test_the_student_learns_from_every_view(
    make_method: Make,
    make_patches: Make,
    strong: int,
    side: float,
    views: int,
    joint_pass: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = make_method("crln", strong_views=strong, copy_paste=side, joint_pass=joint_pass)
    seen: list[int] = []
    features = method.student.features
    monkeypatch.setattr(method.student, "features", lambda x: (seen.append(len(x)), features(x))[1])
    losses = method.losses(make_patches(method, 1), make_patches(method, 2), Step(9, 10, 0))
    assert losses["total"].isfinite()
    assert seen == ([2 + 2 * views] if joint_pass else [2, 2 * views])


@pytest.mark.slow
def test_the_pseudo_label_is_the_teachers(make_method: Make, make_patches: Make) -> None:
    """A student that agrees with a sure teacher has nothing to learn; one that does not, has."""

    def unsupervised(student: int, teacher: int) -> float:
        method = make_method("crln", copy_paste=0, warmup=1.0)  # f itself, not rectified
        for network, sure_of in ((method.student, student), (method.teacher.network, teacher)):
            torch.nn.init.zeros_(network.head.weight)
            network.head.bias.data = 20 * torch.eye(3)[sure_of]
        found = method.losses(make_patches(method, 1), make_patches(method, 2), Step(9, 10, 0))
        return float(found["unsupervised"].detach())

    assert unsupervised(student=1, teacher=1) < 0.01
    assert unsupervised(student=0, teacher=1) > 10


@pytest.mark.parametrize(
    ("classes", "voxels"), [(8, 8 * 12), (20, 20 * (8 * 8 // 20 + 4 * 8 // 20))]
)
def test_many_classes_share_the_voxels_of_eight(classes: int, voxels: int, tiny_plan: Plan) -> None:
    """As many as 8 classes of 8 + 4 voxels have, up to what rounding leaves out."""
    names = [f"class {k}" for k in range(classes)]
    changes = {
        "labels": {"values": list(range(classes)), "names": names},
        "options": {"crln": {"pool": 8, "queries": 4}},
    }
    method = build_method("crln", tiny_plan.updated(changes))
    embedded = []
    at = method.student.projection.at
    method.student.projection.at = lambda maps, places, starts: (
        embedded.append(len(places)) or at(maps, places, starts)
    )
    patches = make_batch(method, 1), make_batch(method, 2, labelled=False)
    method.losses(*patches, Step(index=3, total=4, seed=0))
    assert embedded == [voxels]
    assert voxels <= 8 * 12
