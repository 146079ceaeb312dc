import pytest
import torch
from torch import Tensor, nn

from crln.networks import UNet3D
from crln.networks.blocks import LAYOUT

SMALL = (4, 4, 8, 8, 8)


def test_structure_is_the_papers() -> None:
    network = UNet3D(4)
    assert [len(level) for level in network.encoder] == [2] * 5
    assert [level[1][0].out_channels for level in network.encoder] == [16, 32, 64, 128, 256]
    assert [level[0][0].in_channels for level in network.decoder] == [256, 128, 64, 32]
    assert all(u[0].kernel_size == (3, 3, 3) and u[0].stride == (2, 2, 2) for u in network.ups)
    assert all(isinstance(u[1], nn.BatchNorm3d) for u in network.ups)
    assert sum(isinstance(m, nn.InstanceNorm3d) for m in network.modules()) == 10 + 8
    assert network.bottleneck_dropout.p == network.head_dropout.p == 0.3


def reference(network: UNet3D, images: Tensor) -> list[Tensor]:
    """Method.md section 2, step by step, in evaluation mode."""

    def instance(features: Tensor, norm: nn.InstanceNorm3d) -> Tensor:
        rows = []
        for patch in features:
            for channel, weight, bias in zip(patch, norm.weight, norm.bias, strict=True):
                centred = channel - channel.mean()
                rows.append(centred / (centred.square().mean() + norm.eps).sqrt() * weight + bias)
        return torch.stack(rows).reshape(features.shape)

    def double(features: Tensor, blocks: nn.Sequential) -> Tensor:
        for convolution, norm, _ in blocks:
            features = instance(convolution(features), norm).clamp(min=0)
        return features

    skips = [double(images, network.encoder[0])]
    for level in list(network.encoder)[1:]:
        skips.append(double(nn.functional.max_pool3d(skips[-1], 2), level))
    features, result = skips[-1], []
    for up, level, skip in zip(network.ups, network.decoder, skips[-2::-1], strict=True):
        convolution, norm, _ = up
        shape = (1, -1, 1, 1, 1)
        hidden = (convolution(features) - norm.running_mean.view(shape)) / (
            norm.running_var.view(shape) + norm.eps
        ).sqrt()
        hidden = (hidden * norm.weight.view(shape) + norm.bias.view(shape)).clamp(min=0)
        features = double(torch.cat([hidden, skip], 1), level)
        result.append(features)
    return result[::-1]


@pytest.mark.slow
def test_forward_is_the_papers_sequence_of_steps() -> None:
    torch.manual_seed(0)
    network = UNet3D(2, SMALL).double()
    images = torch.randn(2, 2, 32, 16, 32, dtype=torch.double)
    network(images)
    network.eval()
    features = network(images)
    for ours, expected in zip(features, reference(network, images), strict=True):
        torch.testing.assert_close(ours, expected)


def test_the_smallest_patch_trains() -> None:
    network = UNet3D(1, SMALL)
    features = network(torch.randn(2, 1, 16, 16, 16))
    assert [tuple(f.shape[1:]) for f in features] == [
        (4, 16, 16, 16), (4, 8, 8, 8), (8, 4, 4, 4), (8, 2, 2, 2)
    ]  # fmt: skip
    features[0].square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.slow
def test_every_feature_map_is_channels_last() -> None:
    network = UNet3D(1, SMALL).to(memory_format=LAYOUT)  # type: ignore[call-overload]
    for batch in (1, 2):
        images = torch.randn(batch, 1, 32, 32, 32).contiguous(memory_format=LAYOUT)
        for features in (*network.encode(images), *network(images)):
            assert features.is_contiguous(memory_format=LAYOUT)
