"""What every backbone answers, so that methods never ask which one they have."""

from collections.abc import Sequence

from torch import Tensor, nn

from crln.planning.plan import Triple


class Backbone(nn.Module):
    """Images in, decoder features out.

    Each patch is computed by itself, but for the statistics of batch norms.

    A backbone, or a part of it, may have a property `bottleneck`, the module that gives its
    coarsest features: by these a scan is told from those of the training.

    Attributes:
        widths: channels of each feature map, finest first.
        strides: along X, Y, Z, how many voxels of the image a voxel of each feature map stands for.
        deep_supervision: whether labels shall teach the coarser maps, too.

    Examples:
        >>> from crln.networks.vnet import VNet
        >>> backbone = VNet(1, strides=[(2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2)])
        >>> backbone.strides
        ((1, 1, 1), (2, 2, 1), (4, 4, 1), (8, 8, 2))
    """

    widths: tuple[int, ...]
    strides: tuple[Triple, ...]
    deep_supervision: bool = False

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> maps (B, widths[i], X / strides[i][0], ...), finest first."""
        raise NotImplementedError

    def encode(self, images: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> one feature map a level, finest first, the bottleneck's last.

        Few methods reach between the two halves; a backbone without them serves all others.
        """
        raise NotImplementedError

    def decode(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """What `encode` gives -> what `forward` gives."""
        raise NotImplementedError


def has_halves(backbone: Backbone) -> bool:
    """Whether something can be done between the encoder and the decoder of a backbone."""
    return type(backbone).encode is not Backbone.encode


def bottleneck_of(network: nn.Module) -> nn.Module | None:
    """The module of a network that gives its coarsest features; None where it does not say."""
    for module in network.modules():
        found = getattr(module, "bottleneck", None)
        if isinstance(found, nn.Module):
            return found
    return None
