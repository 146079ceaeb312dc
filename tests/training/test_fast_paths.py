"""What makes a step faster where the hardware allows it, and that the loop asks for it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from crln.cohort import load_cohort, split_cohort
from crln.methods import Batch
from crln.planning import Plan
from crln.preparation import prepare_cohort
from crln.training import train
from crln.training.stream import PatchStream

pytestmark = pytest.mark.slow


def test_clipping_gradients_reads_no_value(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fabric's own check for NaN would wait for the device in every step; the log does it."""
    clip, asked = Fabric.clip_gradients, []

    def noted(self: Fabric, *args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs)
        return clip(self, *args, **kwargs)

    monkeypatch.setattr(Fabric, "clip_gradients", noted)
    plan = tiny_plan.updated({"training": {"gradient_clip": 1.0}})
    cohort = split_cohort(load_cohort(phantom))
    train(cohort, plan, tmp_path / "run", method="supervised", progress=False)
    assert asked == [{"max_norm": 1.0, "error_if_nonfinite": False}] * 4


@pytest.mark.parametrize("pin", [True, False])
def test_batches_for_a_gpu_lie_in_pinned_memory(
    pin: bool, phantom: Path, tiny_plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda t: pinned.append(t) or t)
    cases = prepare_cohort(load_cohort(phantom).labelled, tiny_plan)
    size = tiny_plan.patch_size
    batch = PatchStream(cases, size, size, 2, 0, "test", pin=pin).cut(0)
    assert isinstance(batch, Batch)
    assert len(pinned) == (3 if pin else 0)
