"""A backbone and one head: the network of every method that needs no more."""

from collections.abc import Callable

from torch import Tensor, nn

from crln.networks.backbone import Backbone
from crln.networks.blocks import Pointwise
from crln.networks.patchwise import Patchwise
from crln.planning.plan import NetworkPlan
from crln.registry import NETWORKS


def build_backbone(plan: NetworkPlan, in_channels: int) -> Backbone:
    """The plan's backbone, without heads: what is installed under the name `plan.kind`.

    Raises:
        CrlnError: there is none of that name.
    """
    build: Callable[[NetworkPlan, int], Backbone] = NETWORKS[plan.kind]
    return build(plan, in_channels)


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
