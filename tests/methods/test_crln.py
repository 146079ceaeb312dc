"""The stages of CRLN's training; its equations are tested where they live."""

import pytest
import torch

from crln.methods import Batch, Method, Step, build_method
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
        options |= {"valid_confidence": 0.0, "confidence": 0.0, "strong_view": False}
        torch.manual_seed(0)
        method = build_method("crln", tiny_plan.updated({"options": {"crln": options}}))
        return method.losses(patches(method, 1), patches(method, 2), Step(9, 10, 0))["unsupervised"]

    paper = unsupervised(trusted_only=False, unsupervised_weight=1.0)
    ours = unsupervised(trusted_only=True, unsupervised_weight=2.0)
    # Of images with unlike shares outside the scan the paper's is the mean of two means.
    torch.testing.assert_close(ours, 2 * paper, rtol=0.02, atol=0)
