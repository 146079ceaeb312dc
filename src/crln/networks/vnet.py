"""V-Net (Milletari et al., 3DV 2016) as the semi-supervised field uses it.

See docs/explanation/method.md, section 2.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from crln.networks.blocks import ConvNormReLU, Norm, check_patch, conv3, initialise, make_norm

Upsampling = Literal["transposed", "trilinear", "nearest"]

DEPTHS = (1, 2, 3, 3, 3)
"""3x3x3 convolutions per level, finest first, on the way down and (but for the last) up."""


class VNetEncoder(nn.Module):
    """The way down: convolutions per level, a 2x2x2 stride-2 convolution between levels.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: of whole channels after the bottleneck.
        norm: kind of normalisation.
    """

    def __init__(
        self, in_channels: int, widths: Sequence[int], dropout: float, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.levels = nn.ModuleList()
        self.downs = nn.ModuleList()
        for level, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
            first = in_channels if level == 0 else width
            inputs = [first] + [width] * (depth - 1)
            self.levels.append(nn.Sequential(*(conv3(i, width, norm) for i in inputs)))
            if level + 1 < len(widths):
                deeper = widths[level + 1]
                self.downs.append(
                    ConvNormReLU(nn.Conv3d(width, deeper, 2, stride=2), make_norm(norm, deeper))
                )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first.

        Raises:
            ValueError: the patch does not fit the network (`check_patch`).
        """
        check_patch(images, self.in_channels, len(self.downs))
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
        upsampling: a 2x2x2 stride-2 transposed convolution, or trilinear or nearest doubling and
            a 3x3x3 convolution (the decoders of MC-Net+).
        norm: kind of normalisation.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: float,
        upsampling: Upsampling = "transposed",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.ups = nn.ModuleList()
        self.levels = nn.ModuleList()
        for level in reversed(range(len(widths) - 1)):
            width = widths[level]
            up = _upsample(widths[level + 1], width, upsampling)
            self.ups.append(ConvNormReLU(up, make_norm(norm, width)))
            self.levels.append(
                nn.Sequential(*(conv3(width, width, norm) for _ in range(DEPTHS[level])))
            )
        self.dropout = nn.Dropout3d(dropout)

    def forward(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first: 1/1, 1/2, 1/4, 1/8."""
        features: list[Tensor] = []
        deep = skips[-1]
        for up, level, skip in zip(self.ups, self.levels, reversed(skips[:-1]), strict=True):
            deep = level(up(deep) + skip)
            features.insert(0, deep)
        features[0] = self.dropout(features[0])
        return features


class VNet(nn.Module):
    """Encoder and decoder of one V-Net; the heads belong to whoever uses the features.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: channel dropout after the bottleneck and before the heads.
        upsampling: of the decoder.
        norm: kind of normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: float = 0.5,
        upsampling: Upsampling = "transposed",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.encoder = VNetEncoder(in_channels, widths, dropout, norm)
        self.decoder = VNetDecoder(widths, dropout, upsampling, norm)
        initialise(self)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Feature maps of the way down, finest first."""
        features: list[Tensor] = self.encoder(images)
        return features

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps of the way up, finest first."""
        features: list[Tensor] = self.decoder(skips)
        return features

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first: 1/1, 1/2, 1/4, 1/8."""
        return self.decode(self.encode(images))


def _upsample(inputs: int, outputs: int, kind: Upsampling) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose3d(inputs, outputs, 2, stride=2)
    smooth = {"align_corners": False} if kind == "trilinear" else {}
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode=kind, **smooth),
        nn.Conv3d(inputs, outputs, 3, padding=1),
    )
