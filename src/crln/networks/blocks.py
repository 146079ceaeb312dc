"""The parts that both backbones and the heads are made of."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["batch", "instance"]
LAYOUT = torch.channels_last_3d
"""Memory layout of every feature map."""


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalisation that keeps the channels-last layout.

    It is a batch norm of each patch by itself. Torch's own copies to another layout and back,
    five times as slow on a processor. A map of a single voxel becomes its shift.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        return torch.cat([self._normalise(patch) for patch in features.split(1)])

    def _normalise(self, patch: Tensor) -> Tensor:
        # torch.batch_norm, as F.batch_norm refuses a single voxel, the bottleneck of a 16^3 patch.
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(
            patch, self.weight, self.bias, None, None, True, 0.0, self.eps, cudnn
        )


def make_norm(kind: Norm, channels: int) -> nn.Module:
    """Batch or instance normalisation with learned scale and shift."""
    if kind == "batch":
        return nn.BatchNorm3d(channels)
    return InstanceNorm(channels, affine=True)


class ConvNormReLU(nn.Sequential):
    """A convolution, its norm and ReLU; the result is laid out channels-last.

    Args:
        convolution: any 3D (transposed) convolution.
        norm: over its output channels.
    """

    def __init__(self, convolution: nn.Module, norm: nn.Module) -> None:
        super().__init__(convolution, norm, nn.ReLU(inplace=True))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, C', X', Y', Z')."""
        convolution, norm, activation = self
        # For a single patch torch takes kernels that leave channels-last; all that follows pays.
        result: Tensor = activation(norm(convolution(features).contiguous(memory_format=LAYOUT)))
        return result


class Pointwise(nn.Conv3d):
    """1x1x1 convolution as one matrix product over the voxels of a channels-last map.

    Several times as fast as the convolution on a processor: few channels come out of a head.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, C', X, Y, Z)."""
        voxels = features.movedim(1, -1)
        return F.linear(voxels, self.weight.flatten(1), self.bias).movedim(-1, 1)


def conv3(inputs: int, outputs: int, norm: Norm) -> ConvNormReLU:
    """3x3x3 convolution that keeps the size, norm, ReLU."""
    return ConvNormReLU(nn.Conv3d(inputs, outputs, 3, padding=1), make_norm(norm, outputs))


def initialise(network: nn.Module) -> None:
    """Kaiming-normal weights for every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight)


def check_patch(images: Tensor, channels: int, levels: int) -> None:
    """Refuses a batch of patches that a network cannot take.

    Args:
        images: (B, C, X, Y, Z).
        channels: C, as the network expects it.
        levels: how often the network halves a patch.

    Raises:
        ValueError: not five axes, another number of channels, or a side that is no multiple of
            2^levels.
    """
    if images.ndim != 5:
        raise ValueError(f"a batch of patches has axes (B, C, X, Y, Z), got {images.ndim} axes")
    if images.shape[1] != channels:
        raise ValueError(
            f"the network takes {channels} channels, got {images.shape[1]}: give it scans with the "
            "channels that it was planned for"
        )
    step = 2**levels
    if any(side % step for side in images.shape[2:]):
        raise ValueError(
            f"each side of a patch must be a multiple of {step}, got {tuple(images.shape[2:])}: "
            "pad it or change the plan's patch_size"
        )
