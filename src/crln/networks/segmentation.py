"""A backbone and one head: the network of every method that needs no more."""

from torch import Tensor, nn

from crln.errors import CrlnError
from crln.networks.blocks import Pointwise
from crln.networks.patchwise import Patchwise
from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet
from crln.planning.plan import NetworkPlan

LEVELS = 5
"""Resolutions of a backbone: 1/1 to 1/16."""


def build_backbone(plan: NetworkPlan, in_channels: int) -> VNet | UNet3D:
    """The plan's V-Net or 3D U-Net, without heads.

    Raises:
        CrlnError: the plan does not give a width for each of the five levels.
    """
    if len(plan.widths) != LEVELS:
        raise CrlnError(
            f"network.widths of the plan lists {len(plan.widths)} widths, {LEVELS} are due, "
            "one per level from fine to coarse; edit the plan"
        )
    if plan.kind == "vnet":
        return VNet(in_channels, plan.widths, plan.dropout)
    return UNet3D(in_channels, plan.widths, plan.dropout)


class SegmentationNetwork(Patchwise):
    """Decoder features and a 1x1x1 convolution to logits.

    Args:
        backbone: gives decoder features, finest first.
        classes: K, background included.
    """

    entries, exits = ("backbone",), ("head",)

    def __init__(self, backbone: VNet | UNet3D, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Pointwise(backbone.widths[0], classes)
        nn.init.kaiming_normal_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        logits: Tensor = self.head(self.backbone(images)[0])
        return logits
