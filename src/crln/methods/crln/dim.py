"""The Dynamic Interaction Module: how each voxel relates to the prototypes of each class.

Method.md section 2; departures from the released code (classes kept apart, any patch size, any K,
a signed map) are those of its section 5. Of each level only that is computed, and only those
weights exist, that reach the result: the coarse level updates the prototypes, the fine level
gives the clue.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crln.methods.crln.depthwise import Depthwise
from crln.networks.blocks import CUBE, LAYOUT, Pointwise, logit_layout
from crln.planning.plan import Triple

START = 0.02
"""Standard deviation of the prototypes at the start: small, and no two alike."""


class PairwiseInteraction(nn.Module):
    """A = Q T^T / sqrt(C), Q = LN(P), T = LN(conv1(features)): every prototype with every voxel.

    With linear maps, as published, A = (Q W_q) (T W_k)^T / sqrt(C). W_k meets the few queries
    rather than the many tokens: the product is the same, and costs nothing.

    Args:
        channels: C of the features and of the prototypes at this level.
        linear_maps: whether queries and keys are mapped; the norms before them have the biases.
    """

    def __init__(self, channels: int, linear_maps: bool = False) -> None:
        super().__init__()
        self.tokens = Pointwise(channels, channels)
        self.token_norm = nn.LayerNorm(channels)
        self.prototype_norm = nn.LayerNorm(channels)
        self.map_queries = nn.Linear(channels, channels, bias=False) if linear_maps else None
        self.map_keys = nn.Linear(channels, channels, bias=False) if linear_maps else None

    def forward(self, prototypes: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K N, C), (B, C, X, Y, Z) -> A before softmax (B, K N, V), tokens (B, V, C)."""
        tokens = self.token_norm(self.tokens(features).flatten(2).transpose(1, 2))
        queries = self.prototype_norm(prototypes) * prototypes.shape[-1] ** -0.5
        if self.map_queries is not None and self.map_keys is not None:
            queries = self.map_queries(queries) @ self.map_keys.weight
        return queries @ tokens.transpose(1, 2), tokens


class PrototypeUpdate(nn.Module):
    """What the prototypes learn of the patch: P' = P + W softmax(A) T, P" = P' + MLP(LN(P')).

    With linear maps, as published, the values are T W_v in the place of T.

    Args:
        channels: C of the prototypes at this level.
        linear_maps: whether values are mapped.
    """

    def __init__(self, channels: int, linear_maps: bool = False) -> None:
        super().__init__()
        self.map_values = nn.Linear(channels, channels, bias=False) if linear_maps else None
        self.value = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
        )

    def forward(self, prototypes: Tensor, relation: Tensor, tokens: Tensor) -> Tensor:
        """P (B, K N, C), A (B, K N, V), T (B, V, C) -> P" (B, K N, C)."""
        seen = relation.softmax(-1) @ tokens
        if self.map_values is not None:  # after the sum over voxels, which is as linear
            seen = self.map_values(seen)
        seen = prototypes + self.value(seen)
        return seen + self.mlp(seen)


class SpatialInteraction(nn.Module):
    """One clue per voxel and class from that class's N relations in the voxel's surroundings.

    A' = A + LN_V(A), with no weights in the norm over the voxels, so that any patch size will do;
    a depth-wise separable convolution, batch norm and ReLU after each part; N -> 1. The
    classes share the weights; no relation of one class enters the clue of another.

    Args:
        prototypes: N per class.
        kernel: of the convolution.
    """

    def __init__(self, prototypes: int, kernel: Triple = CUBE) -> None:
        super().__init__()
        self.number = prototypes
        self.layers = nn.Sequential(
            Depthwise(prototypes, kernel),
            nn.BatchNorm3d(prototypes),
            nn.ReLU(inplace=True),
            Pointwise(prototypes, prototypes, bias=False),
            nn.BatchNorm3d(prototypes),
            nn.ReLU(inplace=True),
            Pointwise(prototypes, 1),
        )

    def forward(self, relation: Tensor, size: torch.Size) -> Tensor:
        """A (B, K N, V), (X, Y, Z) -> (B, K, X, Y, Z)."""
        refined = relation + F.layer_norm(relation, relation.shape[-1:])
        volumes = refined.reshape(-1, self.number, *size)  # (B K, N, X, Y, Z)
        clue: Tensor = self.layers(volumes.contiguous(memory_format=LAYOUT))
        return clue.reshape(relation.shape[0], -1, *size)


class FullResolution(nn.Module):
    """A level at full resolution: what the prototypes say of the finest features, added to M(x).

    Prototypes take in what they saw at 1/2, meet every voxel, and give one clue per class and voxel
    as they do there. The clue starts at 0: M(x) is at first what it is without this level.

    Args:
        fine: channels at 1/2.
        finest: channels at full resolution.
        prototypes: N per class.
        linear_maps: of queries, keys and values.
        kernel: of the convolution over the relations.
    """

    def __init__(
        self, fine: int, finest: int, prototypes: int, linear_maps: bool, kernel: Triple
    ) -> None:
        super().__init__()
        self.update = PrototypeUpdate(fine, linear_maps)
        self.to_finest = nn.Linear(fine, finest)
        self.pairs = PairwiseInteraction(finest, linear_maps)
        self.spatial = SpatialInteraction(prototypes, kernel)

    def silence(self) -> None:
        """Has the clue be 0, whatever the features."""
        for value in self.spatial.layers[-1].parameters():
            nn.init.zeros_(value)

    def forward(
        self, prototypes: Tensor, relation: Tensor, tokens: Tensor, features: Tensor
    ) -> Tensor:
        """P, A and T of the level at 1/2, and (B, C, X, Y, Z) -> (B, K, X, Y, Z)."""
        prototypes = self.to_finest(self.update(prototypes, relation, tokens))
        found, _ = self.pairs(prototypes, features)
        clue: Tensor = self.spatial(found, features.shape[2:])
        return clue


class DynamicInteractionModule(nn.Module):
    """Relation map M(x) from the decoder's features of the third and second level, 1/4 and 1/2.

    Args:
        widths: channels of the coarse and of the fine features (64 and 32 in the paper).
        classes: K, background included.
        prototypes: N per class.
        signed: whether M may be negative; the released code's ReLU keeps it from that.
        start: standard deviation of the first prototypes; the released code starts at 0.
        linear_maps: whether queries, keys and values have linear maps, as in the released code.
        stride: voxels of the image, along X, Y, Z, that one of the fine features stands for.
        kernel: of the convolution over the fine features' relations.
        finest: channels of the features at full resolution, which then have a level, too; 0: none.
        finest_kernel: of the convolution over their relations.

    Attributes:
        prototypes: P, (K, N, 64), learned from labels.
    """

    def __init__(
        self,
        widths: tuple[int, int],
        classes: int,
        prototypes: int,
        *,
        signed: bool = True,
        start: float = START,
        linear_maps: bool = False,
        stride: Triple = (2, 2, 2),
        kernel: Triple = CUBE,
        finest: int = 0,
        finest_kernel: Triple = CUBE,
    ) -> None:
        super().__init__()
        coarse, fine = widths
        self.signed = signed
        self.prototypes = nn.Parameter(start * torch.randn(classes, prototypes, coarse))
        self.coarse = PairwiseInteraction(coarse, linear_maps)
        self.update = PrototypeUpdate(coarse, linear_maps)
        self.to_fine = nn.Linear(coarse, fine)
        self.fine = PairwiseInteraction(fine, linear_maps)
        self.spatial = SpatialInteraction(prototypes, kernel)
        self.upsample = nn.ConvTranspose3d(classes, classes, stride, stride)
        self.detail: FullResolution | None = None
        if finest:
            self.detail = FullResolution(fine, finest, prototypes, linear_maps, finest_kernel)

    def clues(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """The clue at 1/2: (B, K, X/2, Y/2, Z/2), the classes still apart."""
        clues: Tensor = self.spatial(self._met(coarse, fine)[1], fine.shape[2:])
        return clues

    def forward(self, coarse: Tensor, fine: Tensor, finest: Tensor | None = None) -> Tensor:
        """(B, 64, 1/4), (B, 32, 1/2) and, for its level, (B, 16, 1/1) -> M(x), (B, K, X, Y, Z)."""
        prototypes, found, tokens = self._met(coarse, fine)
        clues = self.spatial(found, fine.shape[2:]).contiguous(memory_format=LAYOUT)
        relation: Tensor = self.upsample(clues)
        if self.detail is not None and finest is not None:
            relation = relation + self.detail(prototypes, found, tokens, finest)
        relation = relation.contiguous(memory_format=logit_layout(relation.shape[1]))
        return relation if self.signed else relation.relu()

    def _met(self, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Prototypes at the fine level, their relation to its voxels, and its tokens."""
        prototypes = self.prototypes.flatten(0, 1).expand(coarse.shape[0], -1, -1)
        relation, tokens = self.coarse(prototypes, coarse)
        prototypes = self.to_fine(self.update(prototypes, relation, tokens))
        return prototypes, *self.fine(prototypes, fine)
