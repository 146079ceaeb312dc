"""The parts that both backbones are made of."""

from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["batch", "instance"]


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """Batch or instance normalisation with learned scale and shift."""
    if kind == "batch":
        return nn.BatchNorm3d(channels)
    return nn.InstanceNorm3d(channels, affine=True)


class ConvNormReLU(nn.Sequential):
    """A convolution, its norm and ReLU.

    Args:
        convolution: any 3D (transposed) convolution.
        norm: over its output channels.
    """

    def __init__(self, convolution: nn.Module, norm: nn.Module) -> None:
        super().__init__(convolution, norm, nn.ReLU(inplace=True))


def conv3(inputs: int, outputs: int, norm: Norm) -> ConvNormReLU:
    """3x3x3 convolution that keeps the size, norm, ReLU."""
    return ConvNormReLU(nn.Conv3d(inputs, outputs, 3, padding=1), make_norm(norm, outputs))


def initialise(network: nn.Module) -> None:
    """Kaiming-normal weights for every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight)


def check_patch(images: Tensor, levels: int) -> None:
    """Refuses a patch that the network cannot halve often enough.

    Raises:
        ValueError: a side is not a multiple of 2^levels.
    """
    step = 2**levels
    if any(side % step for side in images.shape[2:]):
        raise ValueError(
            f"each side of a patch must be a multiple of {step}, got {tuple(images.shape[2:])}; "
            "pad it or change the plan's patch_size"
        )


def channels_last(network: nn.Module) -> nn.Module:
    """The same network with weights laid out channels-last, the fast layout for 3D convolution."""
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]
