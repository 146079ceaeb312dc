"""The network of CRLN: segmentation head, projection head and relation map on one decoder."""

from math import gcd

import torch
from torch import Tensor, nn

from crln.errors import CrlnError
from crln.methods.crln.dim import START, DynamicInteractionModule, FullResolution
from crln.methods.crln.projection import ProjectionHead
from crln.networks import Patchwise
from crln.networks.blocks import Head, initialise
from crln.networks.segmentation import build_backbone, coarse_heads
from crln.planning.plan import Plan

LEVELS = 3
"""Of the decoder's features: the finest for the heads, two for the relation map."""


class RectifiedNetwork(Patchwise):
    """f(x), M(x), r(x) and their rectification z = f(x) + (1 - a) M(x).

    See docs/explanation/method.md, section 2.

    Args:
        plan: network, channels and classes.
        signed: whether M may be negative (`DynamicInteractionModule`).
        start: standard deviation of the first prototypes (`DynamicInteractionModule`).
        projected: whether a learnt layer brings prototypes into embedding space. The released code
            takes the mean of each one's features instead, so that E is N whatever the plan says.
        linear_maps: of queries, keys and values (`DynamicInteractionModule`).
        full_resolution: whether M has a level at full resolution (`FullResolution`).
        thin_prototypes: per class, beside N, for its thin parts: a relation of their own is added
            to M.
    """

    entries = ("backbone",)
    exits = ("head", "coarse_heads", "interaction", "thin_interaction")
    lookups = ("projection.around",)

    def __init__(
        self,
        plan: Plan,
        *,
        signed: bool = True,
        start: float = START,
        projected: bool = True,
        linear_maps: bool = False,
        full_resolution: bool = False,
        thin_prototypes: int = 0,
    ) -> None:
        super().__init__()
        network, classes = plan.network, plan.classes
        self.backbone = build_backbone(network, len(plan.channels))
        if len(self.backbone.widths) < LEVELS:
            raise CrlnError(
                f"plan: crln reads {LEVELS} levels of features, and network.widths gives "
                f"{len(self.backbone.widths)}; list {LEVELS + 1} widths or more"
            )
        finest, fine, coarse = self.backbone.widths[:LEVELS]
        self.head = Head(finest, classes)
        embedding = network.embedding if projected else network.prototypes
        self.projection = ProjectionHead(finest, embedding, network.kernel(0))
        self.interaction, *thin = (
            DynamicInteractionModule(
                (coarse, fine), classes, number,
                signed=signed, start=start, linear_maps=linear_maps,
                stride=self.backbone.strides[1], kernel=network.kernel(1),
                finest=finest if full_resolution else 0, finest_kernel=network.kernel(0),
            )
            for number in (network.prototypes, thin_prototypes)
            if number
        )  # fmt: skip
        self.thin_interaction = nn.ModuleList(thin)  # none, or one
        self.to_embedding = nn.Linear(coarse, embedding) if projected else None
        self.rectifier = nn.Parameter(torch.zeros(()))  # a
        initialise(self)
        for module in self.modules():
            if isinstance(module, FullResolution):
                module.silence()
        self.coarse_heads = coarse_heads(self.backbone, classes)

    def features(self, images: Tensor) -> list[Tensor]:
        """Decoder features, finest first."""
        features: list[Tensor] = self.backbone(images)
        return features

    def segmentation(self, features: list[Tensor]) -> Tensor:
        """f(x), (B, K, X, Y, Z), from the finest decoder features."""
        logits: Tensor = self.head(features[0])
        return logits

    def relation(self, features: list[Tensor]) -> Tensor:
        """M(x), (B, K, X, Y, Z), from the decoder features at 1/4 and 1/2."""
        return self.relations(features)[0]

    def relations(self, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """M(x), and what the prototypes of thin parts, if there are any, add to it."""
        levels = (features[2], features[1], features[0])
        relation: Tensor = self.interaction(*levels)
        for interaction in self.thin_interaction:
            thin: Tensor = interaction(*levels)
            return relation + thin, thin
        return relation, None

    def rectify(self, logits: Tensor, relation: Tensor) -> Tensor:
        """Rectified logits z = f + (1 - a) M."""
        return logits + (1 - self.rectifier) * relation

    def prototype_embeddings(self) -> Tensor:
        """p_k, (K, E): each class's prototypes brought into embedding space, averaged.

        The prototypes are detached: they learn from labels only.
        """
        prototypes = self.interaction.prototypes.detach()
        if self.to_embedding is None:
            return prototypes.mean(2)
        embedded: Tensor = self.to_embedding(prototypes)
        return embedded.mean(1)

    def forward(self, images: Tensor) -> Tensor:
        """Rectified logits (B, K, X, Y, Z)."""
        return self.with_plain(images)[0]

    def with_plain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified logits z and those before that, f(x)."""
        features = self.features(images)
        plain = self.segmentation(features)
        return self.rectify(plain, self.relation(features)), plain


class Unrectified(nn.Module):
    """The network's own logits f(x), for the ablations."""

    def __init__(self, network: RectifiedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, patch: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, K, X, Y, Z)."""
        return self.network.segmentation(self.network.features(patch))


def interleave(first: Tensor, second: Tensor) -> Tensor:
    """Two batches as one, of which every equal part holds as large a part of either.

    (n, ...) and (m, ...) -> (n + m, ...): x0 x1 and u0 u1 u2 u3 become x0 u0 u1 x1 u2 u3.
    """
    groups = gcd(len(first), len(second))
    pairs = zip(first.chunk(groups), second.chunk(groups), strict=True)
    return torch.cat([part for pair in pairs for part in pair])


def separate(rows: Tensor, first: int, second: int) -> tuple[Tensor, Tensor]:
    """The rows of either batch among those that `interleave` made of `first` and `second` rows.

    Args:
        rows: all of them, or one of the equal parts.
        first: rows of the whole first batch.
        second: of the whole second one.
    """
    groups = gcd(first, second)
    here = groups * len(rows) // (first + second)
    parts = rows.split([first // groups, second // groups] * here)
    return torch.cat(parts[::2]), torch.cat(parts[1::2])
