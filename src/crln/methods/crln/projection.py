"""The projection head: embeddings for the contrastive loss."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crln.networks.blocks import CUBE, Pointwise, around, same_size
from crln.planning.plan import Triple


class ProjectionHead(nn.Module):
    """Convolution (no bias), batch norm, ReLU, 1x1x1 convolution: r(x).

    The contrastive loss looks at a few thousand voxels, so `at` embeds just those: computed
    everywhere, this head alone would cost about a sixth of the V-Net. Its batch norm then takes
    its statistics from the sampled voxels, the ones that the loss sees; this departs from the
    paper, whose norm sees every voxel, background for the most part.

    Args:
        channels: of the decoder's finest features.
        embedding: E.
        kernel: of the convolution; 3x3x3 in the paper.
    """

    def __init__(self, channels: int, embedding: int, kernel: Triple = CUBE) -> None:
        super().__init__()
        self.around = Neighbourhoods(kernel)
        self.convolution = same_size(channels, channels, kernel, bias=False)
        self.norm = nn.BatchNorm1d(channels)  # over voxels, wherever they lie
        self.activation = nn.ReLU(inplace=True)
        self.embed = Pointwise(channels, embedding)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, E, X, Y, Z)."""
        hidden = self.convolution(features)
        normed = self.norm(hidden.flatten(2)).unflatten(2, hidden.shape[2:])
        result: Tensor = self.embed(self.activation(normed))
        return result

    def at(
        self, features: Sequence[Tensor], voxels: Tensor, starts: Sequence[int] | None = None
    ) -> Tensor:
        """Embeddings of single voxels: in evaluation mode, those of `forward`.

        Args:
            features: feature maps (B, C, X, Y, Z) of one size.
            voxels: (n,) int64, flat index into the (B, X, Y, Z) of all maps, end to end.
            starts: the index of each map's first voxel, where it does not follow from the maps
                because they are parts of larger ones.

        Returns:
            (n, E).
        """
        if starts is None:
            sizes = [rows[:, 0].numel() for rows in features]
            starts = [sum(sizes[:place]) for place in range(len(sizes))]
        seen = self.around(features, [voxels - start for start in starts])  # (n, 27, C)
        weight = self.convolution.weight  # (C, C, 3, 3, 3)
        kernel = weight.flatten(2).permute(2, 1, 0).flatten(0, 1)  # (27 C, C)
        hidden = self.activation(self.norm(seen.flatten(1) @ kernel))
        result: Tensor = self.embed(hidden[:, :, None, None, None])
        return result.flatten(1)


class Neighbourhoods(nn.Module):
    """Reads the neighbourhoods of voxels, zero outside the patch.

    Args:
        kernel: voxels of a neighbourhood along X, Y, Z; odd. 3x3x3 is 27 together.
    """

    def __init__(self, kernel: Triple = CUBE) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, maps: Sequence[Tensor], voxels: Sequence[Tensor]) -> Tensor:
        """The sum over the maps: a voxel lies in one of them, and the others add 0.

        Args:
            maps: (B, C, X, Y, Z) of one size.
            voxels: for each map (n,) int64, flat index into its (B, X, Y, Z); any other number
                stands for a voxel that is not in it.

        Returns:
            (n, 27, C).
        """
        pairs = zip(maps, voxels, strict=True)
        return torch.stack([_read(*pair, self.kernel) for pair in pairs]).sum(0)


def _read(features: Tensor, voxels: Tensor, kernel: Triple) -> Tensor:
    rows = features.movedim(1, -1).flatten(0, 3)  # a view where the layout is channels-last
    found, inside = _neighbours(voxels, features.shape[2:], kernel)
    here = inside & (found >= 0) & (found < len(rows))
    places = found.clamp(0, len(rows) - 1)
    # index_select, as the backward pass of rows[places] is far slower
    chosen = rows.index_select(0, places.flatten()).unflatten(0, places.shape)
    return chosen * here[..., None]


def _neighbours(voxels: Tensor, size: torch.Size, kernel: Triple) -> tuple[Tensor, Tensor]:
    """Flat index of the neighbours, in a kernel's order, and which lie in the patch: (n, 27)."""
    _, y, z = size
    strides = (y * z, z, 1)
    found, inside = voxels[:, None], torch.ones_like(voxels, dtype=torch.bool)[:, None]
    for side, stride, far in zip(size, strides, around(kernel), strict=True):
        step = torch.arange(-far, far + 1, device=voxels.device)
        place = (voxels // stride % side)[:, None] + step
        found = (found[:, :, None] + stride * step).flatten(1)
        inside = (inside[:, :, None] & ((place >= 0) & (place < side))[:, None]).flatten(1)
    return found, inside
