import pytest
import torch
from pydantic import ValidationError

from crln.networks import ResEncVNet, SegmentationNetwork, UNet3D, VNet, build_backbone
from crln.networks.segmentation import over_levels, thinned
from crln.planning.plan import NetworkPlan

SMALL = (4, 4, 8, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "backbone"), [("vnet", VNet), ("unet", UNet3D), ("resenc", ResEncVNet)]
)
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


def test_a_coarser_level_is_taught_the_middle_of_each_block() -> None:
    target = torch.arange(4 * 4 * 2).view(1, 4, 4, 2)
    found = thinned(target, torch.zeros(1, 3, 2, 2, 2))
    expected = [[[int(target[0, 2 * x + 1, 2 * y + 1, z]) for z in range(2)] for y in range(2)]
                for x in range(2)]  # fmt: skip
    assert found.tolist() == [expected]
    assert thinned(target, torch.zeros(1, 3, 4, 4, 2)) is target


def test_each_level_weighs_half_of_the_one_before() -> None:
    logits = [torch.full((1, 2, n, n, n), value) for n, value in ((4, 1.0), (2, 10.0), (1, 100.0))]
    target = torch.zeros(1, 4, 4, 4)
    total = over_levels(lambda z, y: z.mean() + 0 * y.sum(), logits, target)
    assert float(total) == pytest.approx((1 + 10 / 2 + 100 / 4) / (1 + 1 / 2 + 1 / 4))
    alone = over_levels(lambda z, y: z.mean(), logits[:1], target)
    assert float(alone) == 1


def test_coarse_heads_are_for_training_alone() -> None:
    plan = NetworkPlan(kind="resenc", widths=SMALL, options={"deep_supervision": True})
    network = SegmentationNetwork(build_backbone(plan, 1), 5).eval()
    images = torch.randn(1, 1, 16, 16, 16)
    levels = network.every(images)
    assert [z.shape[1:] for z in levels] == [(5, n, n, n) for n in (16, 8, 4, 2)]
    torch.testing.assert_close(levels[0], network(images))
