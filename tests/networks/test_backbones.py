import pytest
import torch
from torch import nn

from crln.methods.crln.network import RectifiedNetwork
from crln.networks import (
    SegmentationNetwork,
    UNet3D,
    VNet,
    VNetDecoder,
    build_backbone,
    has_halves,
)
from crln.planning import Plan
from crln.planning.plan import NetworkPlan

pytestmark = pytest.mark.slow

WIDTHS = (4, 8, 8, 12, 12)


def convolutions(network: nn.Module, kernel: int) -> int:
    return sum(
        isinstance(m, nn.Conv3d) and m.kernel_size == (kernel,) * 3 for m in network.modules()
    )


def test_the_vnet_is_the_fields() -> None:
    network = VNet(1)
    assert convolutions(network.encoder, 3) == 1 + 2 + 3 + 3 + 3
    assert convolutions(network.decoder, 3) == 3 + 3 + 2 + 1
    assert convolutions(network, 2) == 4
    assert sum(isinstance(m, nn.ConvTranspose3d) for m in network.modules()) == 4
    # The published V-Net of this field has 9.44 million parameters with its two-class head.
    total = sum(p.numel() for p in SegmentationNetwork(network, 2).parameters())
    assert total == pytest.approx(9.44e6, rel=0.01)


@pytest.mark.parametrize("make", [VNet, UNet3D])
def test_features_halve_per_level(make: type[VNet] | type[UNet3D]) -> None:
    features = make(2, WIDTHS)(torch.randn(1, 2, 32, 16, 48))
    assert [f.shape for f in features] == [
        (1, w, 32 // 2**i, 16 // 2**i, 48 // 2**i) for i, w in enumerate(WIDTHS[:4])
    ]


@pytest.mark.parametrize("make", [VNet, UNet3D])
def test_an_odd_patch_is_refused_with_the_remedy(make: type[VNet] | type[UNet3D]) -> None:
    with pytest.raises(ValueError, match=r"multiple of 16, got \[16, 20, 16\]"):
        make(1, WIDTHS)(torch.randn(1, 1, 16, 20, 16))


def test_skips_are_added() -> None:
    network = VNet(1, WIDTHS, 0.0).eval()
    skips = network.encoder(torch.randn(1, 1, 16, 16, 16))
    up, level = network.decoder.ups[-1], network.decoder.levels[-1]
    features = network.decoder(skips)
    torch.testing.assert_close(features[0], level(up(features[1]) + skips[0]))


@pytest.mark.parametrize("kind", ["transposed", "trilinear", "nearest"])
def test_decoders_share_an_encoder(kind: str) -> None:
    encoder = VNet(1, WIDTHS).encoder.eval()
    decoder = VNetDecoder(WIDTHS, 0.5, kind).eval()  # type: ignore[arg-type]
    assert decoder(encoder(torch.randn(1, 1, 16, 16, 16)))[0].shape == (1, 4, 16, 16, 16)


def test_dropout_falls_on_whole_channels_at_bottleneck_and_head() -> None:
    torch.manual_seed(0)
    network = VNet(1, (64, 8, 8, 8, 64), 0.5).train()
    image = torch.randn(1, 1, 32, 16, 16)
    finest = network(image)[0][0].flatten(1)
    silent = (finest == 0).all(1)
    assert 0.3 < silent.float().mean() < 0.7
    bottleneck = network.encoder(image)[-1][0].flatten(1)
    assert (bottleneck == 0).all(1).any()


def test_convolutions_start_kaiming_normal() -> None:
    torch.manual_seed(0)
    weight = VNet(1).encoder.levels[4][1][0].weight
    fan_in = weight[0].numel()
    assert float(weight.detach().std()) == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)


@pytest.mark.parametrize("kind", ["vnet", "unet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_rectified_network_adds_the_map(kind: str, channels: int) -> None:
    torch.manual_seed(0)
    plan = Plan.model_validate({
        "channels": [f"c{i}" for i in range(channels)],
        "intensity": [{}] * channels,
        "labels": {"values": [0, 1, 2], "names": ["background", "a", "b"]},
        "network": {"kind": kind, "widths": WIDTHS, "prototypes": 3, "embedding": 5},
    })  # fmt: skip
    network = RectifiedNetwork(plan).eval()
    image = torch.randn(1, channels, 16, 32, 16)
    features = network.features(image)
    logits, relation = network.head(features[0]), network.relation(features)
    assert logits.shape == relation.shape == (1, 3, 16, 32, 16)
    torch.testing.assert_close(network(image), logits + relation)  # a starts at 0
    with torch.no_grad():
        network.rectifier.fill_(0.75)
    torch.testing.assert_close(network(image), logits + 0.25 * relation)
    assert network.prototype_embeddings().shape == (3, 5)
    weight, bias = network.to_embedding.weight, network.to_embedding.bias
    expected = network.interaction.prototypes[1].mean(0) @ weight.T + bias
    torch.testing.assert_close(network.prototype_embeddings()[1], expected)


def test_shapes_are_known_without_computing() -> None:
    with torch.device("meta"):
        network = SegmentationNetwork(build_backbone(NetworkPlan(), 1), 2)
        assert network(torch.empty(2, 1, 112, 112, 80)).shape == (2, 2, 112, 112, 80)


THICK = ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2))
"""Strides for slices four times as thick as their pixels are wide."""


@pytest.mark.parametrize("kind", ["vnet", "unet"])
def test_an_axis_is_halved_where_its_strides_say_so(kind: str) -> None:
    network = build_backbone(NetworkPlan(kind=kind, widths=WIDTHS, strides=THICK), 2)
    assert network.strides == ((1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 8, 2))
    features = network(torch.randn(2, 2, 16, 32, 8))
    assert [f.shape for f in features] == [
        (2, width, 16 // x, 32 // y, 8 // z)
        for width, (x, y, z) in zip(network.widths, network.strides, strict=True)
    ]
    with pytest.raises(ValueError, match=r"\[16, 16, 4\], axis by axis, got \[16, 16, 6\]"):
        network(torch.randn(2, 2, 16, 16, 6))


FLAT = ((3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3))
"""Kernels that go with them."""


@pytest.mark.parametrize("kind", ["vnet", "unet"])
def test_a_kernel_of_one_leaves_slices_apart(kind: str) -> None:
    """Where no kernel reaches along Z and nothing is halved there, each slice is by itself."""
    apart = NetworkPlan(
        kind=kind, widths=WIDTHS, strides=((2, 2, 1),) * 4, kernels=((3, 3, 1),) * 5
    )
    network = build_backbone(apart, 1).eval()
    images = torch.randn(1, 1, 16, 32, 3)
    if kind == "unet":  # its instance norm averages over the slices of a patch
        for module in network.modules():
            if isinstance(module, nn.InstanceNorm3d):
                module.forward = lambda features: features
    with torch.no_grad():
        together = network(images)
        for z in range(3):
            for whole, alone in zip(together, network(images[..., z : z + 1]), strict=True):
                torch.testing.assert_close(whole[..., z : z + 1], alone)


@pytest.mark.parametrize("kind", ["vnet", "unet"])
def test_each_level_has_its_kernel(kind: str) -> None:
    network = build_backbone(NetworkPlan(kind=kind, widths=WIDTHS, strides=THICK, kernels=FLAT), 1)
    kernels = [m.kernel_size for m in network.modules() if type(m) is nn.Conv3d]
    kernels = [kernel for kernel in kernels if max(kernel) == 3]
    flat = sum(kernel == (3, 3, 1) for kernel in kernels)
    # Of the finest two levels: V-Net 1 + 2 convolutions down and up, U-Net 2 + 2.
    assert flat == (6 if kind == "vnet" else 8)
    assert all(kernel in ((3, 3, 1), (3, 3, 3)) for kernel in kernels)
    assert network(torch.randn(2, 1, 16, 16, 8))[0].shape == (2, 4, 16, 16, 8)


@pytest.mark.parametrize("kind", ["vnet", "unet"])
@pytest.mark.parametrize("levels", [3, 6])
def test_a_network_is_as_deep_as_its_widths(kind: str, levels: int) -> None:
    halving = ((2, 2, 2),) * (levels - 1)
    network = build_backbone(NetworkPlan(kind=kind, widths=(4,) * levels, strides=halving), 1)
    side = 2 ** (levels - 1)
    features = network.eval()(torch.randn(1, 1, side, side, side))
    assert [f.shape[-1] for f in features] == [side // 2**level for level in range(levels - 1)]


@pytest.mark.parametrize("kind", ["vnet", "resenc", "unet"])
def test_a_backbone_is_its_two_halves(kind: str) -> None:
    network = {"kind": kind, "widths": [4, 4, 8], "strides": [[2, 2, 2]] * 2, "dropout": 0.0}
    plan = Plan().updated({"network": network})
    backbone = build_backbone(plan.network, 1).eval()
    images = torch.randn(1, 1, 8, 8, 8)
    skips = backbone.encode(images)
    assert has_halves(backbone)
    assert [skip.shape[1] for skip in skips] == [4, 4, 8]
    for ours, theirs in zip(backbone.decode(skips), backbone(images), strict=True):
        torch.testing.assert_close(ours, theirs)
