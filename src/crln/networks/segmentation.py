"""A backbone and one head: the network of every method that needs no more."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from crln.networks.backbone import Backbone
from crln.networks.blocks import Head
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
        backbone: gives decoder features, finest first. Where it asks for deep supervision, the
            coarser ones have heads of their own, for training.
        classes: K, background included.
    """

    entries: ClassVar[tuple[str, ...]] = ("backbone",)
    exits: ClassVar[tuple[str, ...]] = ("head", "coarse_heads")

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(backbone.widths[0], classes)
        nn.init.kaiming_normal_(self.head.weight)
        self.coarse_heads = coarse_heads(backbone, classes)

    def every(self, images: Tensor) -> list[Tensor]:
        """Logits (B, K, X, Y, Z), then, under deep supervision, those of the coarser levels."""
        features = self.backbone(images)
        return [self.head(features[0]), *coarse_logits(self.coarse_heads, features)]

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z)."""
        logits: Tensor = self.head(self.backbone(images)[0])
        return logits


def coarse_heads(backbone: Backbone, classes: int) -> nn.ModuleList:
    """A head for each coarser level of a backbone that asks for deep supervision; else none."""
    widths = backbone.widths[1:] if backbone.deep_supervision else ()
    heads = [Head(width, classes) for width in widths]
    for head in heads:
        nn.init.kaiming_normal_(head.weight)
    return nn.ModuleList(heads)


def coarse_logits(heads: nn.ModuleList, features: Sequence[Tensor]) -> list[Tensor]:
    """Logits of as many coarser levels as there are both heads and features of.

    Args:
        heads: of `coarse_heads`.
        features: of the decoder, finest first.
    """
    return [head(level) for head, level in zip(heads, features[1:], strict=False)]


def thinned(target: Tensor, logits: Tensor) -> Tensor:
    """The target at the voxels that coarser logits stand for: the middle one of each block.

    Args:
        target: (B, ..., X, Y, Z).
        logits: (B, K, x, y, z), of sides that divide those of the target.
    """
    for axis in (-3, -2, -1):
        step = target.shape[axis] // logits.shape[axis]
        if step > 1:
            places = torch.arange(step // 2, target.shape[axis], step, device=target.device)
            target = target.index_select(axis, places)
    return target


def over_levels(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Sequence[Tensor], target: Tensor
) -> Tensor:
    """Deep supervision: the mean loss of all levels, each with half the weight of the one before.

    sum_l 2^-l loss(z_l, y_l) / sum_l 2^-l, y_l being `thinned`; of one level, the loss itself.

    Args:
        loss: of logits and target.
        logits: z_l, finest first.
        target: y_0, (B, ..., X, Y, Z).
    """
    first, *coarser = logits
    total, shares = loss(first, target), 1.0
    for level, each in enumerate(coarser, 1):
        total = total + 0.5**level * loss(each, thinned(target, each))
        shares += 0.5**level
    return total / shares if coarser else total
