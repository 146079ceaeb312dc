"""What labels teach, and what the decoders agree on."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from crln.errors import CrlnError
from crln.losses import segmentation_loss, soft_dice_loss
from crln.methods import Step
from crln.planning import Plan

LATE = Step(9, 10, 0)
Make = Callable[..., Any]


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("decoders", [2, 3])
def test_labels_teach_every_decoder(
    make_method: Make, tiny_plan: Plan, decoders: int, alone: bool
) -> None:
    method = make_method("mcnet", decoders=decoders, dice_alone=alone)
    images = torch.randn(4, 1, *tiny_plan.patch_size, generator=torch.Generator().manual_seed(1))
    target = (images[:, 0] > 0.5).long()
    found = method.from_labels(images, target, Step(0, 10, 0))
    logits = method.student.every(images)
    assert len(logits) == decoders
    if alone:
        expected = sum(0.5 * soft_dice_loss(z, target, squared=False) for z in logits)
    else:
        expected = sum(segmentation_loss(z, target) for z in logits)
    torch.testing.assert_close(found["total"], expected)
    assert found["agreement"] == 0


@pytest.mark.slow
def test_agreement_is_weighed_in_on_every_patch(make_method: Make, make_patches: Make) -> None:
    def losses(weight: float) -> dict[str, torch.Tensor]:
        method = make_method("mcnet", weight=weight, ramp=0.5)
        return method.losses(make_patches(method, 1), make_patches(method, 2), LATE)

    without, full = losses(0.0), losses(2.0)
    assert full["agreement"] > 0
    torch.testing.assert_close(full["total"], full["supervised"] + 2 * full["agreement"])
    torch.testing.assert_close(without["total"], full["supervised"])


def test_the_first_decoder_predicts(make_method: Make, tiny_plan: Plan) -> None:
    method = make_method("mcnet").eval()
    images = torch.randn(1, 1, *tiny_plan.patch_size)
    torch.testing.assert_close(method.predictor()(images), method.student.every(images)[0])


def test_another_backbone_is_refused(make_method: Make, tiny_plan: Plan) -> None:
    with pytest.raises(CrlnError, match=r"network\.kind: vnet"):
        make_method("mcnet", tiny_plan.updated({"network": {"kind": "unet"}}))
