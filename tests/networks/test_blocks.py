import pytest
import torch
from torch import nn

from crln.networks.blocks import (
    FEW_CLASSES,
    LAYOUT,
    ConvNormReLU,
    Head,
    InstanceNorm,
    Pointwise,
    check_patch,
    conv3,
    initialise,
)


def channels_last(*shape: int, dtype: torch.dtype = torch.double) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype).contiguous(memory_format=LAYOUT)


def test_pointwise_is_the_same_sum_over_channels_at_every_voxel() -> None:
    torch.manual_seed(0)
    layer = Pointwise(3, 2).double()
    features = channels_last(1, 3, 2, 1, 3)
    result = layer(features)
    for b in range(1):
        for place in torch.cartesian_prod(torch.arange(2), torch.arange(1), torch.arange(3)):
            x, y, z = place.tolist()
            for o in range(2):
                total = layer.bias[o].clone()
                for i in range(3):
                    total = total + layer.weight[o, i, 0, 0, 0] * features[b, i, x, y, z]
                torch.testing.assert_close(result[b, o, x, y, z], total)


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAYOUT])
@pytest.mark.parametrize("bias", [True, False])
def test_pointwise_equals_the_convolution_with_its_weights(
    layout: torch.memory_format, bias: bool
) -> None:
    torch.manual_seed(0)
    layer, twin = Pointwise(5, 3, bias=bias).double(), nn.Conv3d(5, 3, 1, bias=bias).double()
    twin.load_state_dict(layer.state_dict())
    one = torch.randn(2, 5, 3, 4, 5, dtype=torch.double).contiguous(memory_format=layout)
    other = one.clone().requires_grad_()
    one.requires_grad_()
    torch.testing.assert_close(layer(one), twin(other))
    layer(one).pow(3).sum().backward()
    twin(other).pow(3).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    torch.testing.assert_close(layer.weight.grad, twin.weight.grad)


def test_instance_norm_equals_torchs_own_in_value_and_gradient() -> None:
    torch.manual_seed(0)
    norm, twin = InstanceNorm(3, affine=True).double(), nn.InstanceNorm3d(3, affine=True).double()
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    twin.load_state_dict(norm.state_dict())
    one = (channels_last(2, 3, 4, 3, 2) * 3 + 7).requires_grad_()
    other = one.detach().clone().requires_grad_()
    torch.testing.assert_close(norm(one), twin(other))
    norm(one).pow(3).sum().backward()
    twin(other).pow(3).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    torch.testing.assert_close(norm.weight.grad, twin.weight.grad)
    torch.testing.assert_close(norm.eval()(one), twin.eval()(other))


def test_instance_norm_keeps_the_layout_and_takes_a_single_voxel() -> None:
    norm = InstanceNorm(3, affine=True).double()
    assert norm(channels_last(2, 3, 4, 4, 4)).is_contiguous(memory_format=LAYOUT)
    nn.init.constant_(norm.bias, 0.5)
    torch.testing.assert_close(
        norm(channels_last(2, 3, 1, 1, 1)), torch.full((2, 3, 1, 1, 1), 0.5, dtype=torch.double)
    )


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("inputs", [1, 2, 64])
def test_a_block_keeps_channels_last_for_any_batch(batch: int, inputs: int) -> None:
    block = conv3(inputs, 64, "batch").to(memory_format=LAYOUT)  # type: ignore[call-overload]
    result = block(channels_last(batch, inputs, 16, 16, 16, dtype=torch.float))
    assert result.is_contiguous(memory_format=LAYOUT)


def test_a_block_is_convolution_norm_relu() -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv3d(2, 3, 3, padding=1), nn.BatchNorm3d(3)
    images = torch.randn(2, 2, 4, 4, 4)
    hidden = convolution(images)
    mean = hidden.mean((0, 2, 3, 4), keepdim=True)
    spread = (hidden - mean).pow(2).mean((0, 2, 3, 4), keepdim=True)
    expected = ((hidden - mean) / (spread + norm.eps).sqrt()).clamp(min=0)
    torch.testing.assert_close(ConvNormReLU(convolution, norm)(images), expected)


def test_initialise_draws_kaiming_normal_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(32, 64, 3), nn.ConvTranspose3d(64, 32, 2), Pointwise(64, 64))
    initialise(network)
    fan_in = (32 * 27, 32 * 8, 64)  # of a transposed convolution, torch counts the outputs
    for layer, fan in zip(network, fan_in, strict=True):
        assert layer.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.01


def test_check_patch_names_what_was_found_and_the_remedy() -> None:
    check_patch(torch.empty(1, 1, 16, 32, 48), 1, (16, 16, 16))
    with pytest.raises(
        ValueError, match=r"multiple of 16, got \[16, 17, 16\] .*: pad it or change"
    ):
        check_patch(torch.empty(1, 1, 16, 17, 16), 1, (16, 16, 16))
    with pytest.raises(ValueError, match="takes 2 channels, got 1"):
        check_patch(torch.empty(1, 1, 16, 16, 16), 2, (16, 16, 16))
    with pytest.raises(ValueError, match="got 4 axes"):
        check_patch(torch.empty(1, 16, 16, 16), 1, (16, 16, 16))


@pytest.mark.parametrize("classes", [FEW_CLASSES, FEW_CLASSES + 1])
def test_logits_of_many_classes_lie_map_by_map_and_are_the_same(classes: int) -> None:
    torch.manual_seed(0)
    plain = Pointwise(3, classes).double()
    head = Head(3, classes).double()
    head.load_state_dict(plain.state_dict())
    ours, theirs = (channels_last(2, 3, 4, 5, 6).requires_grad_() for _ in range(2))
    theirs.data.copy_(ours.data)
    logits, expected = head(ours), plain(theirs)
    assert logits.is_contiguous() == (classes > FEW_CLASSES)
    torch.testing.assert_close(logits, expected)
    slope = torch.randn_like(expected)
    logits.backward(slope)
    expected.backward(slope)
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(head.weight.grad, plain.weight.grad)
    torch.testing.assert_close(head.bias.grad, plain.bias.grad)
