"""A backbone and one head: the network of every method that needs no more."""

from collections.abc import Callable

from torch import Tensor, nn

from crln.errors import CrlnError
from crln.networks.backbone import Backbone
from crln.networks.blocks import Pointwise
from crln.networks.patchwise import Patchwise
from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet
from crln.planning.plan import NetworkPlan

BACKBONES: dict[str, Callable[[NetworkPlan, int], Backbone]] = {
    "unet": lambda plan, channels: UNet3D(channels, plan.widths, plan.dropout, plan.strides),
    "vnet": lambda plan, channels: VNet(channels, plan.widths, plan.dropout, strides=plan.strides),
}
"""By `network.kind`: from the plan's network and the number of channels."""


def build_backbone(plan: NetworkPlan, in_channels: int) -> Backbone:
    """The plan's backbone, without heads.

    Raises:
        CrlnError: there is none of that kind.
    """
    if plan.kind not in BACKBONES:
        known = ", ".join(sorted(BACKBONES))
        raise CrlnError(f"plan: network.kind: no backbone {plan.kind!r}; choose one of {known}")
    return BACKBONES[plan.kind](plan, in_channels)


class SegmentationNetwork(Patchwise):
    """Decoder features and a 1x1x1 convolution to logits.

    Args:
        backbone: gives decoder features, finest first.
        classes: K, background included.
    """

    entries, exits = ("backbone",), ("head",)

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Pointwise(backbone.widths[0], classes)
        nn.init.kaiming_normal_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        logits: Tensor = self.head(self.backbone(images)[0])
        return logits
