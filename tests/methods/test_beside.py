"""Denoising beside a method: its weight falls, and norms remember nothing of it."""

import pytest
import torch
from torch import nn

from crln.methods import Step, build_method
from crln.methods.beside import kept_statistics
from crln.planning import Plan
from crln.testing import make_batch


def test_its_weight_falls_to_nothing(tiny_plan: Plan) -> None:
    torch.manual_seed(0)
    method = build_method("supervised", tiny_plan.updated({"training": {"denoise": 0.5}}))
    patches = make_batch(method, 1)
    for index, share in ((0, 1.0), (6, 0.25)):
        step = Step(index, 8, 0)
        with torch.no_grad():
            losses = method.step_losses(patches, None, step)
            own = method.losses(patches, None, step)["total"]
        expected = own + 0.5 * share * losses["denoising"]
        assert float(losses["total"]) == pytest.approx(float(expected), rel=1e-4)


def test_norms_see_their_batch_and_remember_none() -> None:
    norm = nn.BatchNorm3d(2)
    features = 3 + torch.randn(4, 2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    with kept_statistics(norm):
        seen = norm(features)
    assert norm.momentum == 0.1
    assert not norm.running_mean.any()
    torch.testing.assert_close(seen.mean((0, 2, 3, 4)), torch.zeros(2), atol=1e-5, rtol=0)
