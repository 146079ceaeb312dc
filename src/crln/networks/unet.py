"""3D U-Net (Cicek et al., MICCAI 2016) as CRLN uses it on BraTS19.

See docs/explanation/method.md, section 2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crln.networks.blocks import ConvNormReLU, check_patch, conv3, initialise, make_norm


class UNet3D(nn.Module):
    """Two 3x3x3 convolutions with instance norm per level; skips are concatenated.

    Args:
        in_channels: C of the images.
        widths: channels per level, finest first.
        dropout: channel dropout at the bottleneck and before the heads.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.widths = tuple(widths)
        inputs = [in_channels, *widths[:-1]]
        self.encoder = nn.ModuleList(_double(i, o) for i, o in zip(inputs, widths, strict=True))
        self.pool = nn.MaxPool3d(2)
        self.bottleneck_dropout = nn.Dropout3d(dropout)
        self.ups = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for deep, width in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True):
            up = nn.ConvTranspose3d(deep, width, 3, stride=2, padding=1, output_padding=1)
            self.ups.append(ConvNormReLU(up, make_norm("batch", width)))
            self.decoder.append(_double(2 * width, width))
        self.head_dropout = nn.Dropout3d(dropout)
        initialise(self)

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map per level, finest first.

        Raises:
            ValueError: the patch does not fit the network (`check_patch`).
        """
        check_patch(images, self.in_channels, len(self.ups))
        features = [self.encoder[0](images)]
        for level in list(self.encoder)[1:]:
            features.append(level(self.pool(features[-1])))
        features[-1] = self.bottleneck_dropout(features[-1])
        return features

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's features -> the decoder's, finest first: 1/1, 1/2, 1/4, 1/8."""
        features: list[Tensor] = []
        deep = skips[-1]
        for up, level, skip in zip(self.ups, self.decoder, reversed(skips[:-1]), strict=True):
            deep = level(torch.cat([up(deep), skip], 1))
            features.insert(0, deep)
        features[0] = self.head_dropout(features[0])
        return features

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> decoder features, finest first: 1/1, 1/2, 1/4, 1/8."""
        return self.decode(self.encode(images))


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(conv3(inputs, outputs, "instance"), conv3(outputs, outputs, "instance"))
