"""Supervoxels: connected-looking parts of a patch that are alike inside."""

from collections.abc import Iterator, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import IGNORE
from crln.methods.first_stages.inside import mean_and_deviation
from crln.planning.plan import Triple

ROUNDS = 3
"""Of assigning voxels and moving centres; after three few voxels change."""
COMPACT = 0.5
"""What a cell's length away counts, in deviations of the patch's intensities."""


def cell_sides(patch: Sequence[int], step: Sequence[int]) -> Triple:
    """Voxels along X, Y, Z of the grid that supervoxels grow from: about four cells a side.

    Larger patches have more: a cell is at most as long as a voxel of the network's coarsest level.

    Examples:
        >>> cell_sides((96, 96, 32), (16, 16, 8))
        (16, 16, 8)
        >>> cell_sides((32, 16, 1), (16, 16, 1))
        (8, 4, 1)
    """
    x, y, z = (max(1, min(stride, side // 4)) for side, stride in zip(patch, step, strict=True))
    return x, y, z


def cell_counts(shape: Sequence[int], sides: Sequence[int]) -> Triple:
    """How many cells there are along X, Y, Z of a patch; the last may be cut off."""
    x, y, z = (-(-side // cell) for side, cell in zip(shape, sides, strict=True))
    return x, y, z


def supervoxels(images: Tensor, inside: Tensor, sides: Sequence[int]) -> Tensor:
    """SLIC (Achanta et al., PAMI 2012) of each patch, on its device.

    Centres begin on a grid. A voxel goes to the nearest of the centres of its own cell and of the
    cells around it, by intensities, smoothed over neighbours, and by place; then centres move to
    the mean of their voxels. Unlike the original, parts are not made connected.

    Args:
        images: (B, C, X, Y, Z).
        inside: (B, X, Y, Z), bool: in the scan.
        sides: voxels of a cell along X, Y, Z.

    Returns:
        (B, X, Y, Z), int64: from 0 up, within each patch; IGNORE outside the scan.
    """
    shape = images.shape[2:]
    counts = cell_counts(shape, sides)
    described = torch.cat([_intensities(images, inside), _places(images, sides)], 1)
    homes = [
        torch.arange(side, device=images.device) // cell
        for side, cell in zip(shape, sides, strict=True)
    ]
    owners = _numbered(homes, counts).expand(len(images), *shape)
    for _ in range(ROUNDS):
        centres = _means(described, owners, inside, counts)
        owners = _nearest(described, centres, homes, counts)
    return owners.masked_fill(~inside, IGNORE)


def _intensities(images: Tensor, inside: Tensor) -> Tensor:
    """Smoothed, in deviations of the patch, each channel counting a share."""
    kernel = [3 if side > 1 else 1 for side in images.shape[2:]]
    around = [side // 2 for side in kernel]
    smooth = F.avg_pool3d(images, kernel, 1, around, count_include_pad=False)
    mean, deviation = mean_and_deviation(smooth, inside)
    return (smooth - mean) / (deviation * images.shape[1] ** 0.5)


def _places(images: Tensor, sides: Sequence[int]) -> Tensor:
    """(B, 3, X, Y, Z): where voxels are, in cells, times what that counts."""
    axes = [
        torch.arange(side, device=images.device, dtype=images.dtype) * (COMPACT / cell)
        for side, cell in zip(images.shape[2:], sides, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return places.expand(len(images), *places.shape)


def _numbered(cells: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """(X, Y, Z): the number of the cell in a grid, of its place along each axis."""
    x, y, z = cells
    found: Tensor = (x[:, None, None] * counts[1] + y[:, None]) * counts[2] + z
    return found


def _means(described: Tensor, owners: Tensor, inside: Tensor, counts: Sequence[int]) -> Tensor:
    """(B, D, V): what each centre's voxels are like on average; far away where it has none."""
    batch, depth = described.shape[:2]
    total = counts[0] * counts[1] * counts[2]
    index, counted = owners.flatten(1), inside.flatten(1).to(described)
    sums = described.new_zeros(batch, depth, total)
    values = described.flatten(2) * counted[:, None]
    sums.scatter_add_(2, index[:, None].expand_as(values), values)
    sizes = described.new_zeros(batch, total).scatter_add_(1, index, counted)[:, None]
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), 1e4)


def _nearest(
    described: Tensor, centres: Tensor, homes: Sequence[Tensor], counts: Sequence[int]
) -> Tensor:
    """(B, X, Y, Z): the number of the nearest of the centres around each voxel's cell."""
    shape = (len(described), *described.shape[2:])
    best = described.new_full(shape, torch.inf)
    owners = torch.zeros(shape, dtype=torch.long, device=described.device)
    for cells in _around(homes, counts):
        number = _numbered(cells, counts)
        there = centres[:, :, number.flatten()].view_as(described)
        distance = (described - there).square().sum(1)
        owners = torch.where(distance < best, number, owners)
        best = torch.minimum(best, distance)
    return owners


def _around(homes: Sequence[Tensor], counts: Sequence[int]) -> Iterator[list[Tensor]]:
    """Along each axis the cell of every voxel, or one beside it; those of the border stay."""
    moves = [(-1, 0, 1) if count > 1 else (0,) for count in counts]
    for move in product(*moves):
        yield [
            (home + by).clamp(0, count - 1)
            for home, by, count in zip(homes, move, counts, strict=True)
        ]
