"""3D U-Net (Cicek et al., MICCAI 2016) as CRLN uses it on BraTS19.

See docs/explanation/method.md, section 2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crln.networks.backbone import Backbone
from crln.networks.blocks import (
    ConvNormReLU,
    around,
    check_patch,
    conv3,
    cubes,
    halvings,
    initialise,
    make_norm,
    reached,
)
from crln.planning.plan import NetworkPlan, Section, Triple, options_of


class UNet3D(Backbone):
    """Two convolutions with instance norm per level; skips are concatenated.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: channel dropout at the bottleneck and before the heads.
        strides: from each level to the next; None: 2 along every axis.
        kernels: of each level's convolutions; None: 3 along every axis.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: float = 0.3,
        strides: Sequence[Triple] | None = None,
        kernels: Sequence[Triple] | None = None,
    ) -> None:
        super().__init__()
        strides, kernels = strides or halvings(widths), kernels or cubes(widths)
        self.in_channels = in_channels
        self.widths = tuple(widths[:-1])
        self.strides, self.step = reached(strides)[:-1], reached(strides)[-1]
        inputs = [in_channels, *widths[:-1]]
        self.encoder = nn.ModuleList(map(_double, inputs, widths, kernels))
        self.pools = nn.ModuleList(nn.MaxPool3d(stride) for stride in strides)
        self.bottleneck_dropout = nn.Dropout3d(dropout)
        self.ups = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for level in reversed(range(len(strides))):
            width, kernel = widths[level], kernels[level]
            up = _upsample(widths[level + 1], width, strides[level], kernel)
            self.ups.append(ConvNormReLU(up, make_norm("batch", width)))
            self.decoder.append(_double(2 * width, width, kernel))
        self.head_dropout = nn.Dropout3d(dropout)
        initialise(self)

    @property
    def bottleneck(self) -> nn.Module:
        """What the coarsest features leave by."""
        return self.bottleneck_dropout

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first.

        Raises:
            ValueError: the patch does not fit the network (`check_patch`).
        """
        check_patch(images, self.in_channels, self.step)
        features = [self.encoder[0](images)]
        for pool, level in zip(self.pools, list(self.encoder)[1:], strict=True):
            features.append(level(pool(features[-1])))
        features[-1] = self.bottleneck_dropout(features[-1])
        return features

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first; the coarsest has none."""
        features: list[Tensor] = []
        deep = skips[-1]
        for up, level, skip in zip(self.ups, self.decoder, reversed(skips[:-1]), strict=True):
            deep = level(torch.cat([up(deep), skip], 1))
            features.insert(0, deep)
        features[0] = self.head_dropout(features[0])
        return features

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first; all levels but the coarsest."""
        return self.decode(self.encode(images))


def _double(inputs: int, outputs: int, kernel: Triple) -> nn.Sequential:
    first, second = (conv3(i, outputs, "instance", kernel) for i in (inputs, outputs))
    return nn.Sequential(first, second)


def _upsample(inputs: int, outputs: int, stride: Triple, kernel: Triple) -> nn.ConvTranspose3d:
    """Along an axis that doubles the kernel is 3 in any case: 1 would leave holes."""
    x, y, z = (3 if step == 2 else side for step, side in zip(stride, kernel, strict=True))
    a, b, c = (step - 1 for step in stride)
    return nn.ConvTranspose3d(
        inputs, outputs, (x, y, z), stride, padding=around((x, y, z)), output_padding=(a, b, c)
    )


def from_plan(plan: NetworkPlan, channels: int) -> UNet3D:
    """The backbone that a plan asks for, for images of so many channels."""
    options_of(Section, plan.options, "network.options", plan.kind)
    return UNet3D(channels, plan.widths, plan.dropout, plan.strides, plan.kernels)
