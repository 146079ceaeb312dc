"""The projection head: embeddings for the contrastive loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crln.networks.blocks import Pointwise
from crln.parallel.rows import all_sum, first_row, sharers


class ProjectionHead(nn.Module):
    """3x3x3 convolution (no bias), batch norm, ReLU, 1x1x1 convolution: r(x).

    The contrastive loss looks at a few thousand voxels, so `at` embeds just those: computed
    everywhere, this head alone would cost about a sixth of the V-Net. Its batch norm then takes
    its statistics from the sampled voxels, the ones that the loss sees; this departs from the
    paper, whose norm sees every voxel, background for the most part.

    Args:
        channels: of the decoder's finest features.
        embedding: E.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(channels)
        self.activation = nn.ReLU(inplace=True)
        self.embed = Pointwise(channels, embedding)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, E, X, Y, Z)."""
        result: Tensor = self.embed(self.activation(self.norm(self.convolution(features))))
        return result

    def at(self, features: Sequence[Tensor], voxels: Tensor) -> Tensor:
        """Embeddings of single voxels: in evaluation mode, those of `forward`.

        Args:
            features: feature maps (B, C, X, Y, Z) of one size, as if concatenated along B; each
                may be a process's own rows of it.
            voxels: (n,) int64, flat index into that (B, X, Y, Z), whole batches all.

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
    around, inside = _neighbours(voxels, features[0].shape[2:])
    parts = []
    before = 0  # voxels of the whole batches passed
    for part in features:
        rows = part.movedim(1, -1).flatten(0, 3)  # a view where the layout is channels-last
        first = before + first_row(rows)
        here = inside & (around >= first) & (around < first + rows.shape[0])
        local = (around - first).clamp(0, rows.shape[0] - 1)
        # index_select, as the backward pass of rows[local] is far slower
        chosen = rows.index_select(0, local.flatten()).unflatten(0, local.shape)
        parts.append(chosen * here[..., None])
        before += sharers() * rows.shape[0]
    return all_sum(torch.stack(parts).sum(0))  # a voxel lies in one row, and the others add 0


def _neighbours(voxels: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Flat index of the 27 neighbours, in a kernel's order, and which lie in the patch: (n, 27)."""
    _, y, z = size
    strides = (y * z, z, 1)
    step = torch.arange(-1, 2, device=voxels.device)
    around, inside = voxels[:, None], torch.ones_like(voxels, dtype=torch.bool)[:, None]
    for side, stride in zip(size, strides, strict=True):
        place = (voxels // stride % side)[:, None] + step
        around = (around[:, :, None] + stride * step).flatten(1)
        inside = (inside[:, :, None] & ((place >= 0) & (place < side))[:, None]).flatten(1)
    return around, inside
