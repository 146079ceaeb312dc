"""The projection head: embeddings for the contrastive loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """3x3x3 convolution (no bias), batch norm, ReLU, 1x1x1 convolution: r(x).

    The contrastive loss looks at a few thousand voxels, so `at` embeds just those: computed
    everywhere, this head alone would cost about a sixth of the V-Net. Its batch norm then takes
    its statistics from the sampled voxels, the ones that the loss sees.

    Args:
        channels: of the decoder's finest features.
        embedding: E.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(channels)
        self.activation = nn.ReLU()
        self.embed = nn.Conv3d(channels, embedding, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, E, X, Y, Z)."""
        result: Tensor = self.embed(self.activation(self.norm(self.convolution(features))))
        return result

    def at(self, features: Sequence[Tensor], voxels: Tensor) -> Tensor:
        """Embeddings of single voxels.

        Args:
            features: feature maps (B, C, X, Y, Z) of one size, as if concatenated along B.
            voxels: (n,) int64, flat index into that (B, X, Y, Z).

        Returns:
            (n, E).
        """
        around = _gather(features, voxels)  # (n, 27, C)
        weight = self.convolution.weight  # (C, C, 3, 3, 3)
        kernel = weight.flatten(2).permute(2, 1, 0).flatten(0, 1)  # (27 C, C)
        hidden = (around.flatten(1) @ kernel)[:, :, None, None, None]
        result: Tensor = self.embed(self.activation(self.norm(hidden)))
        return result.flatten(1)


def _gather(features: Sequence[Tensor], voxels: Tensor) -> Tensor:
    """The 3x3x3 neighbourhoods of voxels, zero outside: (n, 27, C)."""
    shape = torch.tensor(features[0].shape[2:], device=voxels.device)
    size = shape.prod()
    batch, place = voxels // size, voxels % size
    x, y, z = place // (shape[1] * shape[2]), place // shape[2] % shape[1], place % shape[2]
    step = torch.arange(-1, 2, device=voxels.device)
    offsets = torch.cartesian_prod(step, step, step)  # (27, 3), the order of a flattened kernel
    at = torch.stack([x, y, z], 1)[:, None] + offsets  # (n, 27, 3)
    inside = ((at >= 0) & (at < shape)).all(2)
    at = at.clamp(min=0).minimum(shape - 1)
    row = ((batch[:, None] * shape[0] + at[..., 0]) * shape[1] + at[..., 1]) * shape[2] + at[..., 2]
    total = torch.zeros((), device=voxels.device)
    first = 0
    for part in features:
        rows = part.permute(0, 2, 3, 4, 1).flatten(0, 3)  # a view where the layout is channels-last
        here = (row >= first) & (row < first + rows.shape[0])
        local = (row - first).clamp(0, rows.shape[0] - 1)
        chosen = rows.index_select(0, local.flatten()).unflatten(0, local.shape)
        total = total + chosen * (here & inside)[..., None]
        first += rows.shape[0]
    return total
