"""What two networks outline together."""

import pytest
import torch
from torch import Tensor, nn

from crln.methods.pairs import MeanNetwork, outliner, unlike_backbone
from crln.networks import ResEncVNet, VNet
from crln.planning import Plan


class Says(nn.Module):
    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_mean_is_of_probabilities(exclusive: bool) -> None:
    logits = 3 * torch.randn(2, 1, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    mean = MeanNetwork([Says(each) for each in logits], exclusive)(torch.zeros(1))
    if exclusive:
        expected, found = logits.softmax(2).mean(0), mean.softmax(1)
    else:
        expected, found = logits.sigmoid().mean(0), mean.sigmoid()
    torch.testing.assert_close(found, expected)


def test_the_first_alone_is_the_network_itself() -> None:
    networks = [Says(torch.zeros(1)), Says(torch.ones(1))]
    assert outliner(networks, "first", True) is networks[0]


def test_the_other_network_is_of_another_kind_and_of_the_same_shape(tiny_plan: Plan) -> None:
    other = unlike_backbone(tiny_plan)
    assert isinstance(other, ResEncVNet)
    assert other.widths == tiny_plan.network.widths[:-1]
    options = {"network": {"kind": "resenc", "options": {"blocks": [1]}}}
    assert isinstance(unlike_backbone(tiny_plan.updated(options)), VNet)
