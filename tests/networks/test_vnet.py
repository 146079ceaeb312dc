import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from crln.networks import VNet, VNetDecoder, VNetEncoder
from crln.networks.blocks import LAYOUT

SMALL = (4, 4, 8, 8, 8)


def convolutions(module: nn.Module) -> list[nn.Conv3d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv3d) and m.kernel_size == (3, 3, 3)]


def test_structure_is_the_papers() -> None:
    network = VNet(1)
    encoder, decoder = network.encoder, network.decoder
    assert [len(level) for level in encoder.levels] == [1, 2, 3, 3, 3]
    assert [len(level) for level in decoder.levels] == [3, 3, 2, 1]
    widths = [16, 32, 64, 128, 256]
    assert [level[-1][0].out_channels for level in encoder.levels] == widths
    assert [level[-1][0].out_channels for level in decoder.levels] == widths[-2::-1]
    assert all(d[0].kernel_size == d[0].stride == (2, 2, 2) for d in encoder.downs)
    assert all(isinstance(u[0], nn.ConvTranspose3d) for u in decoder.ups)
    assert all(u[0].kernel_size == u[0].stride == (2, 2, 2) for u in decoder.ups)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    assert len(norms) == 12 + 4 + 4 + 9
    assert encoder.dropout.p == decoder.dropout.p == 0.5
    assert len(convolutions(network)) == 12 + 9


def reference(network: VNet, images: Tensor) -> list[Tensor]:
    """Method.md section 2, step by step, in evaluation mode."""

    def block(features: Tensor, layers: nn.Sequential) -> Tensor:
        convolution, norm, _ = layers
        hidden = convolution(features)
        shape = (1, -1, 1, 1, 1)
        hidden = (hidden - norm.running_mean.view(shape)) / (
            norm.running_var.view(shape) + norm.eps
        ).sqrt()
        hidden = hidden * norm.weight.view(shape) + norm.bias.view(shape)
        return torch.where(hidden > 0, hidden, 0)

    skips = []
    features = images
    for level, blocks in enumerate(network.encoder.levels):
        if level > 0:
            features = block(features, network.encoder.downs[level - 1])
        for one in blocks:
            features = block(features, one)
        skips.append(features)
    result = []
    for place, blocks in enumerate(network.decoder.levels):
        features = block(features, network.decoder.ups[place]) + skips[3 - place]
        for one in blocks:
            features = block(features, one)
        result.append(features)
    return result[::-1]


def test_forward_is_the_papers_sequence_of_steps() -> None:
    torch.manual_seed(0)
    network = VNet(2, SMALL).double()
    images = torch.randn(2, 2, 16, 32, 16, dtype=torch.double)
    network(images)  # so that the norms' statistics are not those of the start
    network.eval()
    features = network(images)
    for ours, expected in zip(features, reference(network, images), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.tuples(*[st.sampled_from([16, 32, 48])] * 3), st.integers(1, 3), st.integers(1, 2))
def test_any_patch_of_multiples_of_16_and_any_channels(
    size: tuple[int, int, int], channels: int, batch: int
) -> None:
    network = VNet(channels, SMALL).eval()
    with torch.no_grad():
        features = network(torch.randn(batch, channels, *size))
    for level, (width, each) in enumerate(zip(network.widths, features, strict=True)):
        assert each.shape == (batch, width, *(side // 2**level for side in size))
    assert len(features) == 4


@pytest.mark.parametrize("size", [(17, 16, 16), (16, 24, 16), (16, 16, 8)])
def test_another_patch_is_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        VNet(1, SMALL)(torch.randn(2, 1, *size))


@pytest.mark.slow
def test_one_encoder_serves_decoders_that_differ_in_upsampling() -> None:
    torch.manual_seed(0)
    encoder = VNetEncoder(1, SMALL, 0.5)
    decoders = [VNetDecoder(SMALL, 0.5, kind) for kind in ("transposed", "trilinear", "nearest")]  # type: ignore[arg-type]
    skips = encoder(torch.randn(2, 1, 16, 16, 16))
    results = [decoder(skips) for decoder in decoders]
    for result in results:
        assert [f.shape for f in result] == [s.shape for s in skips[:-1]]
    sum(result[0].square().mean() for result in results).backward()
    assert all(p.grad is not None for p in encoder.parameters())
    modes = [[u[0][0].mode for u in d.ups] for d in decoders[1:]]
    assert modes == [["trilinear"] * 4, ["nearest"] * 4]


def test_nearest_upsampling_repeats_voxels_before_its_convolution() -> None:
    decoder = VNetDecoder(SMALL, 0.0, "nearest")
    coarse = torch.randn(1, 8, 2, 2, 2)
    repeated = coarse
    for axis in (2, 3, 4):
        repeated = repeated.repeat_interleave(2, axis)
    up = decoder.ups[0][0]
    torch.testing.assert_close(up(coarse), up[1](repeated))


def test_dropout_takes_whole_channels_after_the_bottleneck_and_before_the_heads() -> None:
    torch.manual_seed(0)
    network = VNet(1, (32, 32, 32, 32, 32), dropout=0.5)
    skips = network.encoder(torch.randn(2, 1, 32, 32, 32))
    finest = network.decoder(skips)[0]
    for dropped in (skips[-1], finest):
        silent = dropped.flatten(2).abs().amax(2) == 0
        assert 0.25 < silent.float().mean() < 0.75
    assert (skips[0].flatten(2).abs().amax(2) > 0).all()


@pytest.mark.parametrize("batch", [1, 2])
def test_every_feature_map_is_channels_last(batch: int) -> None:
    network = VNet(1, SMALL).to(memory_format=LAYOUT).eval()  # type: ignore[call-overload]
    images = torch.randn(batch, 1, 32, 32, 32).contiguous(memory_format=LAYOUT)
    for features in (*network.encoder(images), *network(images)):
        assert features.is_contiguous(memory_format=LAYOUT)
