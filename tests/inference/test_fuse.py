import pytest
import torch
from torch import nn

from crln.inference import accelerate, fold_norms
from crln.inference.fuse import StackedConv3d, WinogradConv3d
from crln.methods.crln.network import RectifiedNetwork
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan

pytestmark = pytest.mark.slow

WIDTHS = (4, 16, 16, 8, 8)


def trained(network: nn.Module) -> nn.Module:
    """Norms as after a training: none is the identity."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def make_network(kind: str) -> nn.Module:
    torch.manual_seed(0)
    backbone = "unet" if kind == "unet" else "vnet"
    plan = Plan(network={"kind": backbone, "widths": WIDTHS, "prototypes": 2, "embedding": 4})
    if kind == "rectified":
        return trained(RectifiedNetwork(plan))
    return trained(SegmentationNetwork(build_backbone(plan.network, 1), plan.classes))


def kinds(network: nn.Module) -> set[type[nn.Module]]:
    return {type(module) for module in network.modules()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vnet", "unet", "rectified"])
def test_same_probabilities(kind: str) -> None:
    network = make_network(kind)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    patch = torch.randn(2, 1, 32, 16, 16)
    with torch.inference_mode():
        expected = network(patch).softmax(1)
        for faster in (fold_norms(network), accelerate(network, "cpu")):
            torch.testing.assert_close(faster(patch).softmax(1), expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01
    for name, tensor in network.state_dict().items():  # the original is left as it was
        assert torch.equal(tensor, before[name])


def test_no_batch_norm_is_left_but_instance_norms_are() -> None:
    assert nn.BatchNorm3d not in kinds(fold_norms(make_network("vnet")))
    unet = kinds(fold_norms(make_network("unet")))
    assert nn.BatchNorm3d not in unet
    assert any(issubclass(kind, nn.InstanceNorm3d) for kind in unet)


def test_a_network_in_train_mode_is_folded_in_evaluation_mode() -> None:
    network = make_network("vnet").train()
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        folded = fold_norms(network)(patch)
        torch.testing.assert_close(folded, network.eval()(patch), atol=1e-4, rtol=1e-4)


def test_a_norm_that_follows_no_convolution_stays() -> None:
    chain = trained(nn.Sequential(nn.ReLU(), nn.BatchNorm3d(2), nn.Conv3d(2, 2, 1)))
    patch = torch.randn(1, 2, 4, 4, 4)
    assert nn.BatchNorm3d in kinds(fold_norms(chain))
    with torch.inference_mode():
        torch.testing.assert_close(accelerate(chain, "cpu")(patch), chain(patch))


def test_which_convolutions_are_replaced() -> None:
    faster = accelerate(make_network("vnet"), "cpu")
    assert {WinogradConv3d, StackedConv3d, nn.Conv3d} <= kinds(faster)
    exact = kinds(accelerate(make_network("vnet"), "cpu", exact=True))
    assert not exact & {WinogradConv3d, StackedConv3d}


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv3d(16, 16, 3, padding=1, groups=16),
        nn.Conv3d(16, 16, 3, padding=2, dilation=2),
        nn.Conv3d(16, 16, 3, padding=1, stride=2),
        nn.Conv3d(16, 16, 3, padding=1, padding_mode="replicate"),
        nn.Conv3d(16, 16, 3),
        nn.Conv3d(16, 16, 1),
        nn.Conv3d(8, 16, 3, padding=1),
    ],
)
def test_other_convolutions_are_left_alone(convolution: nn.Module) -> None:
    assert kinds(accelerate(nn.Sequential(convolution), "cpu")) == {nn.Sequential, nn.Conv3d}
