"""The stages of CRLN's training; its equations are tested where they live."""

import pytest
import torch

from crln.methods import Batch, Method, Step, build_method
from crln.methods.crln import CRLN
from crln.planning import Plan


def patches(method: Method, seed: int) -> Batch:
    images = torch.randn(2, 1, *method.read_size, generator=torch.Generator().manual_seed(seed))
    return Batch(images, (images[:, 0] > 0.5).long())


@pytest.mark.parametrize(("index", "heard"), [(3, False), (4, True)])
def test_the_total_is_the_sum_of_the_stages_terms(tiny_plan: Plan, index: int, heard: bool) -> None:
    changes = {"training": {"labelled_start": 0.4}, "options": {"crln": {"valid_confidence": 0}}}
    method = build_method("crln", tiny_plan.updated(changes))
    losses = method.losses(patches(method, 1), patches(method, 2), Step(index, 10, 0))
    total = losses.pop("total")
    torch.testing.assert_close(total, sum(losses.values()))
    assert (losses["unsupervised"] > 0) == heard


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
    tiny_plan: Plan, options: dict[str, float], heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their own confidence, or, as in the paper, by the image's share of sure ones."""
    method = build_method("crln", tiny_plan.updated({"options": {"crln": options}}))
    labels = torch.zeros(2, *tiny_plan.patch_size, dtype=torch.int64)
    taught = (labels, torch.full(labels.shape, 0.8))
    monkeypatch.setattr(method, "_pseudo_label", lambda *_: taught)
    losses = method.losses(patches(method, 1), patches(method, 2), Step(9, 10, 0))
    assert (losses["unsupervised"] > 0) == heard


def test_every_voxel_trusted_is_the_mean_over_all(tiny_plan: Plan) -> None:
    def unsupervised(**options: float) -> torch.Tensor:
        options |= {"valid_confidence": 0.0, "confidence": 0.0, "strong_views": 0}
        torch.manual_seed(0)
        method = build_method("crln", tiny_plan.updated({"options": {"crln": options}}))
        return method.losses(patches(method, 1), patches(method, 2), Step(9, 10, 0))["unsupervised"]

    paper = unsupervised(trusted_only=False, unsupervised_weight=1.0)
    ours = unsupervised(trusted_only=True, unsupervised_weight=2.0)
    # Of images with unlike shares outside the scan the paper's is the mean of two means.
    torch.testing.assert_close(ours, 2 * paper, rtol=0.02, atol=0)


def test_strong_views_differ_and_share_their_pseudo_label(tiny_plan: Plan) -> None:
    """The first of several is the one that one alone would be; none is the weak view itself."""
    size = tiny_plan.patch_size
    weak = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(1))
    pseudo, confidence = (weak[:, 0] > 0.5).long(), weak[:, 0].abs().clamp(max=1)

    def views(count: int) -> tuple[torch.Tensor, ...]:
        method = build_method(
            "crln", tiny_plan.updated({"options": {"crln": {"strong_views": count}}})
        )
        assert isinstance(method, CRLN)
        return method._strong_views(weak, pseudo, confidence, torch.Generator().manual_seed(2))

    none, one, two = views(0), views(1), views(2)
    for ours, theirs in zip(none, (weak, pseudo, confidence), strict=True):
        assert ours is theirs
    for alone, first in zip(one, (part[:2] for part in two), strict=True):
        torch.testing.assert_close(first, alone, rtol=0, atol=0)
    assert [len(part) for part in two] == [4, 4, 4]
    assert not torch.equal(two[0][:2], two[0][2:])


@pytest.mark.parametrize("joint_pass", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_student_learns_from_every_strong_view(
    tiny_plan: Plan, count: int, joint_pass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"strong_views": count, "joint_pass": joint_pass}
    method = build_method("crln", tiny_plan.updated({"options": {"crln": options}}))
    assert isinstance(method, CRLN)
    seen: list[int] = []
    features = method.student.features
    monkeypatch.setattr(method.student, "features", lambda x: (seen.append(len(x)), features(x))[1])
    losses = method.losses(patches(method, 1), patches(method, 2), Step(9, 10, 0))
    assert losses["total"].isfinite()
    assert seen == ([2 + 2 * max(1, count)] if joint_pass else [2, 2 * max(1, count)])
