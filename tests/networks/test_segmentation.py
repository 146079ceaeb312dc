import pytest
import torch
from pydantic import ValidationError

from crln.networks import SegmentationNetwork, UNet3D, VNet, build_backbone
from crln.planning.plan import NetworkPlan

SMALL = (4, 4, 8, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "backbone"), [("vnet", VNet), ("unet", UNet3D)])
def test_build_backbone_follows_the_plan(kind: str, backbone: type) -> None:
    plan = NetworkPlan(kind=kind, widths=SMALL, dropout=0.1)  # type: ignore[arg-type]
    network = build_backbone(plan, 3)
    assert isinstance(network, backbone)
    assert network.widths == SMALL[:4]
    assert network.strides == ((1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8))
    assert {m.p for m in network.modules() if isinstance(m, torch.nn.Dropout3d)} == {0.1}
    assert network(torch.randn(2, 3, 16, 16, 16))[0].shape == (2, 4, 16, 16, 16)


def test_an_unknown_backbone_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"no network 'vnt'; choose one of .*vnet"):
        NetworkPlan(kind="vnt")


def test_logits_are_a_weighted_sum_of_the_finest_features() -> None:
    torch.manual_seed(0)
    network = SegmentationNetwork(VNet(1, SMALL), 5).eval()
    images = torch.randn(2, 1, 16, 16, 32)
    weight, bias = network.head.weight[:, :, 0, 0, 0], network.head.bias
    finest = network.backbone(images)[0]
    expected = torch.einsum("oc,bcxyz->boxyz", weight, finest) + bias[:, None, None, None]
    torch.testing.assert_close(network(images), expected, atol=1e-5, rtol=1e-5)
