"""V-Net (Milletari et al., 3DV 2016) as the semi-supervised field uses it.

See docs/explanation/method.md, section 2.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from crln.networks.backbone import Backbone
from crln.networks.blocks import (
    ConvNormReLU,
    check_patch,
    conv3,
    cubes,
    halvings,
    initialise,
    make_norm,
    reached,
    same_size,
)
from crln.planning.plan import NetworkPlan, Section, Triple, options_of

Upsampling = Literal["transposed", "trilinear", "nearest"]

DEEPEST = 3
"""Convolutions of a level at most, on the way down and up: 1, 2, then 3."""


class VNetEncoder(nn.Module):
    """The way down: convolutions per level; between levels one whose kernel is its stride.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: of whole channels after the bottleneck.
        strides: from each level to the next; None: 2 along every axis.
        kernels: of each level's convolutions; None: 3 along every axis.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        dropout: float,
        strides: Sequence[Triple] | None = None,
        kernels: Sequence[Triple] | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        strides, kernels = strides or halvings(widths), kernels or cubes(widths)
        self.step = reached(strides)[-1]
        self.levels = nn.ModuleList()
        self.downs = nn.ModuleList()
        for level, width in enumerate(widths):
            first = in_channels if level == 0 else width
            inputs = [first] + [width] * (_depth(level) - 1)
            self.levels.append(
                nn.Sequential(*(conv3(i, width, "batch", kernels[level]) for i in inputs))
            )
            if level + 1 < len(widths):
                deeper, stride = widths[level + 1], strides[level]
                down = nn.Conv3d(width, deeper, stride, stride)
                self.downs.append(ConvNormReLU(down, make_norm("batch", deeper)))
        self.dropout = nn.Dropout3d(dropout)

    @property
    def bottleneck(self) -> nn.Module:
        """What the coarsest features leave by."""
        return self.dropout

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first.

        Raises:
            ValueError: the patch does not fit the network (`check_patch`).
        """
        check_patch(images, self.in_channels, self.step)
        features = [self.levels[0](images)]
        for down, level in zip(self.downs, list(self.levels)[1:], strict=True):
            features.append(level(down(features[-1])))
        features[-1] = self.dropout(features[-1])
        return features


class VNetDecoder(nn.Module):
    """The way up: upsampling with norm and ReLU, the encoder's features added, convolutions.

    Args:
        widths: channels per level, finest first.
        dropout: of whole channels before the heads.
        upsampling: a transposed convolution whose kernel is its stride, or trilinear or nearest
            upsampling and a convolution (the decoders of MC-Net+).
        strides: from each level to the next; None: 2 along every axis.
        kernels: of each level's convolutions; None: 3 along every axis.
        deepest: convolutions of a level at most.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: float,
        upsampling: Upsampling = "transposed",
        strides: Sequence[Triple] | None = None,
        kernels: Sequence[Triple] | None = None,
        deepest: int = DEEPEST,
    ) -> None:
        super().__init__()
        strides, kernels = strides or halvings(widths), kernels or cubes(widths)
        self.ups = nn.ModuleList()
        self.levels = nn.ModuleList()
        for level in reversed(range(len(widths) - 1)):
            width, kernel = widths[level], kernels[level]
            up = _upsample(widths[level + 1], width, upsampling, strides[level], kernel)
            self.ups.append(ConvNormReLU(up, make_norm("batch", width)))
            layers = (conv3(width, width, "batch", kernel) for _ in range(_depth(level, deepest)))
            self.levels.append(nn.Sequential(*layers))
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first; the coarsest has none."""
        features: list[Tensor] = []
        deep = skips[-1]
        for up, level, skip in zip(self.ups, self.levels, reversed(skips[:-1]), strict=True):
            deep = level(up(deep) + skip)
            features.insert(0, deep)
        features[0] = self.dropout(features[0])
        return features


class VNet(Backbone):
    """Encoder and decoder of one V-Net; the heads belong to whoever uses the features.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: channel dropout after the bottleneck and before the heads.
        upsampling: of the decoder.
        strides: from each level to the next; None: 2 along every axis.
        kernels: of each level's convolutions; None: 3 along every axis.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: float = 0.5,
        upsampling: Upsampling = "transposed",
        strides: Sequence[Triple] | None = None,
        kernels: Sequence[Triple] | None = None,
    ) -> None:
        super().__init__()
        strides, kernels = strides or halvings(widths), kernels or cubes(widths)
        self.widths, self.strides = tuple(widths[:-1]), reached(strides)[:-1]
        self.encoder = VNetEncoder(in_channels, widths, dropout, strides, kernels)
        self.decoder = VNetDecoder(widths, dropout, upsampling, strides, kernels)
        initialise(self)

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first."""
        skips: list[Tensor] = self.encoder(images)
        return skips

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first; all levels but the coarsest."""
        features: list[Tensor] = self.decoder(skips)
        return features

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first; all levels but the coarsest."""
        return self.decode(self.encode(images))


def _depth(level: int, deepest: int = DEEPEST) -> int:
    return min(level + 1, deepest)


def _upsample(
    inputs: int, outputs: int, kind: Upsampling, stride: Triple, kernel: Triple
) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose3d(inputs, outputs, stride, stride)
    smooth = {"align_corners": False} if kind == "trilinear" else {}
    return nn.Sequential(
        nn.Upsample(scale_factor=stride, mode=kind, **smooth),
        same_size(inputs, outputs, kernel),
    )


def from_plan(plan: NetworkPlan, channels: int) -> VNet:
    """The backbone that a plan asks for, for images of so many channels."""
    options_of(Section, plan.options, "network.options", plan.kind)
    return VNet(channels, plan.widths, plan.dropout, strides=plan.strides, kernels=plan.kernels)
