"""V-Net with a residual encoder: what it computes, its shapes, and what its options do."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crln.errors import CrlnError
from crln.inference.fuse import accelerate
from crln.networks import ResEncVNet, SegmentationNetwork, build_backbone
from crln.networks.blocks import LAYOUT
from crln.networks.resenc import ResidualBlock
from crln.planning.plan import NetworkPlan

SMALL = (4, 4, 8, 8, 8)
THICK = ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 1))
KERNELS = ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3))


def plan(**changes: object) -> NetworkPlan:
    return NetworkPlan.model_validate({"kind": "resenc", "widths": SMALL} | changes)


def normed(features: Tensor, norm: nn.BatchNorm3d) -> Tensor:
    shape = (1, -1, 1, 1, 1)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (features - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


@pytest.mark.parametrize(("inputs", "stride"), [(4, (1, 1, 1)), (2, (1, 1, 1)), (4, (2, 2, 1))])
def test_a_block_adds_what_it_changes(inputs: int, stride: tuple[int, int, int]) -> None:
    """Convolution, norm and sum by definition; pooling voxel by voxel."""
    torch.manual_seed(0)
    block = ResidualBlock(inputs, 4, stride, (3, 3, 1)).double()
    features = torch.randn(2, inputs, 4, 4, 3, dtype=torch.double)
    block(features)  # so that the norms' statistics are not those of the start
    block.eval()
    first, second = block.first[0], block.second[0]
    padded = F.pad(features, (0, 0, 1, 1, 1, 1))
    hidden = normed(F.conv3d(padded, first.weight, first.bias, stride), block.first[1])
    hidden = normed(
        F.conv3d(F.pad(hidden.clamp(min=0), (0, 0, 1, 1, 1, 1)), second.weight, second.bias),
        block.second[1],
    )
    x, y, z = stride
    corners = product(range(x), range(y), range(z))
    same = sum(features[:, :, i::x, j::y, k::z] for i, j, k in corners) / (x * y * z)
    if inputs != 4:
        *_, mix, norm = block.shortcut
        same = normed(torch.einsum("oi,bixyz->boxyz", mix.weight[:, :, 0, 0, 0], same), norm)
    torch.testing.assert_close(block(features), (hidden + same).clamp(min=0))


def test_features_are_those_of_the_plans_strides() -> None:
    network = build_backbone(plan(strides=THICK, kernels=KERNELS), 2)
    assert isinstance(network, ResEncVNet)
    assert network.widths == (4, 4, 8, 8)
    assert network.strides == ((1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 8, 2))
    features = network(torch.randn(2, 2, 32, 16, 6))
    assert [f.shape for f in features] == [
        (2, 4, 32, 16, 6), (2, 4, 16, 8, 6), (2, 8, 8, 4, 6), (2, 8, 4, 2, 3)
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"\[16, 16, 2\], axis by axis, got \[16, 16, 5\]"):
        network(torch.randn(2, 2, 16, 16, 5))


def test_most_convolutions_are_on_the_way_down() -> None:
    network = ResEncVNet(plan(options={"blocks": [1, 2]}), 1)
    assert [len(level) for level in network.levels] == [1, 2, 2, 2, 2]
    assert [len(level) for level in network.decoder.levels] == [1, 1, 1, 1]


def test_skips_are_added() -> None:
    network = ResEncVNet(plan(), 1).eval()
    skips = network.encode(torch.randn(1, 1, 16, 16, 16))
    features = network.decoder(skips)
    up, level = network.decoder.ups[-1], network.decoder.levels[-1]
    torch.testing.assert_close(features[0], level(up(features[1]) + skips[0]))


def test_slices_stay_apart_where_no_kernel_reaches() -> None:
    apart = plan(strides=((2, 2, 1),) * 4, kernels=((3, 3, 1),) * 5)
    network = build_backbone(apart, 1).eval()
    images = torch.randn(1, 1, 16, 16, 2)
    with torch.no_grad():
        for whole, alone in zip(network(images), network(images[..., 1:]), strict=True):
            torch.testing.assert_close(whole[..., 1:], alone)


def test_every_feature_map_is_channels_last() -> None:
    network = ResEncVNet(plan(), 1).to(memory_format=LAYOUT)  # type: ignore[call-overload]
    images = torch.randn(1, 1, 32, 32, 32).contiguous(memory_format=LAYOUT)
    assert all(f.is_contiguous(memory_format=LAYOUT) for f in network.eval()(images))


def test_the_fast_copy_predicts_the_same() -> None:
    torch.manual_seed(0)
    network = SegmentationNetwork(ResEncVNet(plan(widths=(16, 16, 16, 16, 16)), 1), 3)
    images = torch.randn(2, 1, 16, 16, 16)
    network(images)
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            accelerate(network, "cpu")(images), network(images), rtol=1e-3, atol=1e-4
        )


def test_an_option_that_no_network_has_is_named() -> None:
    with pytest.raises(CrlnError, match=r"network\.options\.deep: .*resenc has blocks, deep_"):
        build_backbone(plan(options={"deep": True}), 1)
    with pytest.raises(CrlnError, match=r"network\.options\.blocks: .*vnet has no options"):
        build_backbone(plan(kind="vnet", options={"blocks": [1]}), 1)
