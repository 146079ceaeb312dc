"""The Dynamic Interaction Module: how each voxel relates to the prototypes of each class.

Method.md section 2; departures from the released code (classes kept apart, any patch size, any K,
a signed map) are those of its section 5.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

START = 0.02
"""Standard deviation of the prototypes at the start: small, and no two alike."""


class InteractionLevel(nn.Module):
    """Pairwise and spatial interaction at one resolution.

    Args:
        channels: C of the features and of the prototypes at this level.
        prototypes: N per class.
    """

    def __init__(self, channels: int, prototypes: int) -> None:
        super().__init__()
        self.tokens = nn.Conv3d(channels, channels, 1)
        self.token_norm = nn.LayerNorm(channels)
        self.prototype_norm = nn.LayerNorm(channels)
        self.value = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
        )
        self.spatial = nn.Sequential(
            nn.Conv3d(prototypes, prototypes, 3, padding=1, groups=prototypes, bias=False),
            nn.BatchNorm3d(prototypes),
            nn.ReLU(inplace=True),
            nn.Conv3d(prototypes, prototypes, 1, bias=False),
            nn.BatchNorm3d(prototypes),
            nn.ReLU(inplace=True),
            nn.Conv3d(prototypes, 1, 1),
        )

    def forward(self, prototypes: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """One level of interaction.

        Args:
            prototypes: (B, K, N, C).
            features: (B, C, X, Y, Z).

        Returns:
            The prototypes after they have looked at the patch, (B, K, N, C), and one signed clue
            per class and voxel, (B, K, X, Y, Z).
        """
        batch, classes, number, channels = prototypes.shape
        tokens = self.token_norm(self.tokens(features).flatten(2).transpose(1, 2))  # (B, V, C)
        flat = prototypes.reshape(batch, classes * number, channels)
        # A, before softmax: the relation of every prototype to every voxel, (B, K N, V).
        relation = self.prototype_norm(flat) @ tokens.transpose(1, 2) * channels**-0.5
        flat = flat + self.value(relation.softmax(-1) @ tokens)
        flat = flat + self.mlp(flat)
        relation = relation + F.layer_norm(relation, relation.shape[-1:])
        volumes = relation.reshape(batch * classes, number, *features.shape[2:])
        clue = self.spatial(volumes).reshape(batch, classes, *features.shape[2:])
        return flat.reshape(batch, classes, number, channels), clue


class DynamicInteractionModule(nn.Module):
    """Relation map M(x) from the decoder's features at 1/4 and 1/2 resolution.

    Args:
        widths: channels of the coarse and of the fine features (64 and 32 in the paper).
        classes: K, background included.
        prototypes: N per class.
    """

    def __init__(self, widths: tuple[int, int], classes: int, prototypes: int) -> None:
        super().__init__()
        coarse, fine = widths
        self.prototypes = nn.Parameter(START * torch.randn(classes, prototypes, coarse))
        self.coarse = InteractionLevel(coarse, prototypes)
        self.to_fine = nn.Linear(coarse, fine)
        self.fine = InteractionLevel(fine, prototypes)
        self.upsample = nn.ConvTranspose3d(classes, classes, 2, stride=2)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(B, 64, 1/4), (B, 32, 1/2) -> M(x), (B, K, X, Y, Z)."""
        prototypes = self.prototypes.expand(coarse.shape[0], -1, -1, -1)
        prototypes, _ = self.coarse(prototypes, coarse)
        _, clue = self.fine(self.to_fine(prototypes), fine)
        relation: Tensor = self.upsample(clue)
        return relation
