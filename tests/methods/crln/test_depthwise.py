import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from crln.methods.crln.depthwise import Depthwise
from crln.networks.blocks import LAYOUT


def test_each_channel_is_convolved_by_its_own_filter() -> None:
    torch.manual_seed(0)
    layer, volumes = Depthwise(2).double(), torch.randn(2, 2, 3, 4, 2, dtype=torch.double)
    result = layer(volumes)
    for b in range(2):
        for c in range(2):
            for x in range(3):
                for y in range(4):
                    for z in range(2):
                        total = torch.zeros((), dtype=torch.double)
                        for i in range(3):
                            for j in range(3):
                                for k in range(3):
                                    at = (x + i - 1, y + j - 1, z + k - 1)
                                    if all(0 <= p < s for p, s in zip(at, (3, 4, 2), strict=True)):
                                        total = total + (
                                            layer.weight[c, 0, i, j, k] * volumes[(b, c, *at)]
                                        )
                        torch.testing.assert_close(result[b, c, x, y, z], total)


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    layer = Depthwise(2).double()
    volumes = torch.randn(2, 2, 2, 3, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (volumes,))
    fixed = volumes.detach()
    call = torch.func.functional_call
    assert torch.autograd.gradcheck(
        lambda weight: call(layer, {"weight": weight}, (fixed,)), (layer.weight,)
    )


@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16])
@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 3, 1)])
def test_gradients_agree_with_torchs_own_in_any_precision(
    dtype: torch.dtype, kernel: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    layer = Depthwise(4, kernel)
    padding = (1, 1, kernel[2] // 2)
    twin = nn.Conv3d(4, 4, kernel, padding=padding, groups=4, bias=False)
    twin.load_state_dict(layer.state_dict())
    volumes = torch.randn(2, 4, 6, 5, 4).contiguous(memory_format=LAYOUT)
    gradients = []
    for each in (layer, twin):
        source = volumes.clone().requires_grad_()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float):
            result = each(source)
        assert result.dtype == dtype
        result.float().pow(2).sum().backward()
        assert source.grad is not None
        assert each.weight.grad.dtype == source.grad.dtype == torch.float
        gradients.append((source.grad, each.weight.grad))
    tolerance = 1e-4 if dtype == torch.float else 0.05
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() < tolerance * theirs.norm()


def test_a_norm_can_be_folded_in_for_prediction() -> None:
    torch.manual_seed(0)
    layer, norm = Depthwise(3).eval(), nn.BatchNorm3d(3).eval()
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    volumes = torch.randn(2, 3, 4, 4, 4)
    with torch.no_grad():
        folded = fuse_conv_bn_eval(layer, norm)
        torch.testing.assert_close(folded(volumes), norm(layer(volumes)), atol=1e-5, rtol=1e-5)
