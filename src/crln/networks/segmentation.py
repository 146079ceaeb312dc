"""A backbone and one head: the network of every method that needs no more."""

from torch import Tensor, nn

from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet
from crln.planning.plan import NetworkPlan


def build_backbone(plan: NetworkPlan, in_channels: int) -> VNet | UNet3D:
    """The plan's V-Net or 3D U-Net, without heads."""
    if plan.kind == "vnet":
        return VNet(in_channels, plan.widths, plan.dropout)
    return UNet3D(in_channels, plan.widths, plan.dropout)


class SegmentationNetwork(nn.Module):
    """Decoder features and a 1x1x1 convolution to logits.

    Args:
        backbone: gives decoder features, finest first.
        classes: K, background included.
    """

    def __init__(self, backbone: VNet | UNet3D, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv3d(backbone.widths[0], classes, 1)
        nn.init.kaiming_normal_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        logits: Tensor = self.head(self.backbone(images)[0])
        return logits
