"""V-Net with a residual encoder: nnU-Net's ResEnc idea (Isensee et al., MICCAI 2024).

Most of the convolutions are on the way down, in residual blocks; the way up is one convolution a
level. Skips are added, as in V-Net.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from crln.networks.backbone import Backbone
from crln.networks.blocks import (
    LAYOUT,
    ConvNormReLU,
    Pointwise,
    around,
    check_patch,
    conv3,
    cubes,
    initialise,
    make_norm,
    reached,
    same_size,
)
from crln.networks.vnet import VNetDecoder
from crln.planning.plan import NetworkPlan, Section, Triple, options_of


class ResEncOptions(Section):
    """What `network.options` may say of `resenc`."""

    blocks: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(1, 2),
        min_length=1,
        description=(
            "residual blocks of two convolutions per level, finest first; the last of all "
            "further levels"
        ),
    )
    deep_supervision: bool = Field(
        default=False,
        description=(
            "labels teach the coarser levels of the decoder too, each with half the weight of the "
            "level before"
        ),
    )


class ResEncVNet(Backbone):
    """Residual blocks on the way down, a convolution a level on the way up.

    Args:
        plan: widths, strides, kernels, dropout, and the options of `ResEncOptions`.
        in_channels: C of the images.

    Examples:
        >>> plan = crln.Plan().updated({"network": {"kind": "resenc", "widths": [4] * 5}})
        >>> ResEncVNet(plan.network, 1).strides
        ((1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8))
    """

    Options: ClassVar[type[Section]] = ResEncOptions

    def __init__(self, plan: NetworkPlan, in_channels: int) -> None:
        super().__init__()
        options: ResEncOptions = options_of(
            ResEncOptions, plan.options, "network.options", plan.kind
        )
        widths, kernels = plan.widths, plan.kernels or cubes(plan.widths)
        self.in_channels, self.step = in_channels, plan.step
        self.widths, self.strides = widths[:-1], reached(plan.strides)[:-1]
        self.deep_supervision = options.deep_supervision
        self.stem = conv3(in_channels, widths[0], "batch", kernels[0])
        self.levels = nn.ModuleList()
        strides = ((1, 1, 1), *plan.strides)
        for level, (width, stride, kernel) in enumerate(zip(widths, strides, kernels, strict=True)):
            count = options.blocks[min(level, len(options.blocks) - 1)]
            first = ResidualBlock(widths[max(level - 1, 0)], width, stride, kernel)
            more = (ResidualBlock(width, width, (1, 1, 1), kernel) for _ in range(count - 1))
            self.levels.append(nn.Sequential(first, *more))
        self.dropout = nn.Dropout3d(plan.dropout)
        self.decoder = VNetDecoder(
            widths, plan.dropout, strides=plan.strides, kernels=kernels, deepest=1
        )
        initialise(self)

    @property
    def bottleneck(self) -> nn.Module:
        """What the coarsest features leave by."""
        return self.dropout

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first.

        Raises:
            ValueError: the patch does not fit the network (`check_patch`).
        """
        check_patch(images, self.in_channels, self.step)
        features: list[Tensor] = []
        deep = self.stem(images)
        for level in self.levels:
            deep = level(deep)
            features.append(deep)
        features[-1] = self.dropout(deep)
        return features

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first; all levels but the coarsest."""
        features: list[Tensor] = self.decoder(skips)
        return features

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first; all levels but the coarsest."""
        return self.decode(self.encode(images))


class ResidualBlock(nn.Module):
    """ReLU(N(conv(ReLU(N(conv(x))))) + S(x)), N batch norm; the first convolution may stride.

    S is the identity; where the size or the width changes, average pooling and a 1x1x1 convolution
    with norm (He et al., CVPR 2019, ResNet-D).

    Args:
        inputs: channels of x.
        outputs: channels of the result.
        stride: of the first convolution along X, Y, Z.
        kernel: of both; 3 where the first strides: 1 would leave voxels out.
    """

    def __init__(self, inputs: int, outputs: int, stride: Triple, kernel: Triple) -> None:
        super().__init__()
        x, y, z = (3 if step == 2 else side for step, side in zip(stride, kernel, strict=True))
        down = nn.Conv3d(inputs, outputs, (x, y, z), stride, padding=around((x, y, z)))
        self.first = ConvNormReLU(down, make_norm("batch", outputs))
        self.second = nn.Sequential(
            same_size(outputs, outputs, kernel), make_norm("batch", outputs)
        )
        parts: list[nn.Module] = []
        if max(stride) > 1:
            parts.append(nn.AvgPool3d(stride))
        if inputs != outputs:
            parts += [Pointwise(inputs, outputs, bias=False), make_norm("batch", outputs)]
        self.shortcut = nn.Sequential(*parts)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, C', X', Y', Z')."""
        change = self.second(self.first(features)).contiguous(memory_format=LAYOUT)
        return torch.relu(change + self.shortcut(features))
