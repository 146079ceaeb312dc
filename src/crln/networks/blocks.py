"""The parts that both backbones and the heads are made of."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crln.planning.bounds import misfit
from crln.planning.plan import Triple

Norm = Literal["batch", "instance"]
LAYOUT = torch.channels_last_3d
"""Memory layout of every feature map."""
FEW_CLASSES = 8
"""Up to so many, logits are laid out as features are."""
CUBE: Triple = (3, 3, 3)
"""Kernel of a convolution where nothing else is asked for."""


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


class Head(Pointwise):
    """A pointwise convolution to logits, which lie in memory as `logit_layout` says."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        if self.bias is None or logit_layout(self.out_channels) is LAYOUT:
            return super().forward(features)
        voxels = features.movedim(1, -1).flatten(1, 3)
        logits = self.weight.flatten(1) @ voxels.mT + self.bias[:, None]
        return logits.unflatten(2, features.shape[2:])


def logit_layout(classes: int) -> torch.memory_format:
    """How logits lie in memory: voxel by voxel; of many classes, one map after another.

    A softmax over 38 values side by side takes four times as long as one over 38 maps.
    """
    return LAYOUT if classes <= FEW_CLASSES else torch.contiguous_format


def conv3(inputs: int, outputs: int, norm: Norm, kernel: Triple = CUBE) -> ConvNormReLU:
    """Convolution that keeps the size, norm, ReLU."""
    return ConvNormReLU(same_size(inputs, outputs, kernel), make_norm(norm, outputs))


def same_size(inputs: int, outputs: int, kernel: Triple = CUBE, bias: bool = True) -> nn.Conv3d:
    """A convolution of odd kernel that keeps the size."""
    return nn.Conv3d(inputs, outputs, kernel, padding=around(kernel), bias=bias)


def around(kernel: Sequence[int]) -> Triple:
    """Voxels that an odd kernel sees on either side of its centre."""
    x, y, z = (side // 2 for side in kernel)
    return x, y, z


def initialise(network: nn.Module) -> None:
    """Kaiming-normal weights for every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight)


def check_patch(images: Tensor, channels: int, step: Triple) -> None:
    """Refuses a batch of patches that a network cannot take.

    Args:
        images: (B, C, X, Y, Z).
        channels: C, as the network expects it.
        step: what the sides of a patch must be multiples of, along X, Y, Z.

    Raises:
        ValueError: not five axes, another number of channels, or a side that is no multiple of its
            step.
    """
    if images.ndim != 5:
        raise ValueError(f"a batch of patches has axes (B, C, X, Y, Z), got {images.ndim} axes")
    if images.shape[1] != channels:
        raise ValueError(
            f"the network takes {channels} channels, got {images.shape[1]}: give it scans with the "
            "channels that it was planned for"
        )
    fault = misfit(images.shape[2:], step)
    if fault:
        raise ValueError(f"{fault}: pad it or change the plan's patch_size")


def halvings(widths: Sequence[int]) -> tuple[Triple, ...]:
    """A stride of 2 along every axis, from each level to the next."""
    return ((2, 2, 2),) * (len(widths) - 1)


def cubes(widths: Sequence[int]) -> tuple[Triple, ...]:
    """A kernel of 3 along every axis, for each level."""
    return (CUBE,) * len(widths)


def reached(strides: Sequence[Triple]) -> tuple[Triple, ...]:
    """Each level's stride relative to the image, finest first: all the strides above it, together.

    Args:
        strides: from each level to the next.
    """
    levels: list[Triple] = [(1, 1, 1)]
    for x, y, z in strides:
        a, b, c = levels[-1]
        levels.append((a * x, b * y, c * z))
    return tuple(levels)
