"""Two unlike networks that learn together, and what outlines scans after it: their mean."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from crln.losses import SMALLEST, full_precision
from crln.networks import Backbone, build_backbone
from crln.planning import Plan

Outliner = Literal["mean", "first"]
"""Which of two networks outlines scans: both together, or the first alone, at half the cost."""


def unlike_backbone(plan: Plan) -> Backbone:
    """A backbone of another kind than the plan's, of the same widths, strides and kernels.

    That is `resenc`, a V-Net with a residual encoder; where the plan has it, `vnet`.
    """
    kind = "vnet" if plan.network.kind == "resenc" else "resenc"
    network = plan.network.model_copy(update={"kind": kind, "options": {}})
    return build_backbone(network, len(plan.channels))


class MeanNetwork(nn.Module):
    """Logits whose probabilities are the mean of those of several networks.

    Args:
        networks: (B, C, X, Y, Z) -> logits (B, K, X, Y, Z).
        exclusive: probabilities are the softmax; false: a sigmoid of each class.
    """

    def __init__(self, networks: Sequence[nn.Module], exclusive: bool) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.exclusive = exclusive

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        each = torch.stack([full_precision(network(images)) for network in self.networks])
        if self.exclusive:
            return each.log_softmax(2).logsumexp(0)
        return each.sigmoid().mean(0).logit(SMALLEST)


def outliner(networks: Sequence[nn.Module], which: Outliner, exclusive: bool) -> nn.Module:
    """What outlines scans of two networks."""
    return MeanNetwork(networks, exclusive) if which == "mean" else networks[0]
