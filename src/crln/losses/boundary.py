"""How far a prediction strays from the boundary of a label: the boundary loss."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

REACH = 8.0
"""In the finest voxel edges: distances are exact below, and this beyond."""


def voxel_edges(
    shape: Sequence[int], patch: Sequence[int], spacing: Sequence[float] | None
) -> tuple[float, ...]:
    """The edges of a target's voxels, the finest being 1; an axis of one voxel counts for none.

    Args:
        shape: X, Y, Z of the target.
        patch: of the finest level; a coarser one has larger voxels.
        spacing: of a voxel of the patch; None: cubes.

    Examples:
        >>> voxel_edges((48, 48, 8), (96, 96, 8), (2.5, 2.5, 10.0))
        (1.0, 1.0, 2.0)
    """
    sizes = spacing or (1.0, 1.0, 1.0)
    strides = [max(1, whole // n) for whole, n in zip(patch, shape, strict=True)]
    edges = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    finest = min((e for e, n in zip(edges, shape, strict=True) if n > 1), default=1.0)
    return tuple(edge / finest for edge in edges)


def distance_to(mask: Tensor, edges: Sequence[float]) -> Tensor:
    """The distance of each voxel's centre to the nearest of a mask, `REACH` at most, float32.

    Of squares, the least over the voxels of a line, one axis after another, is that of the volume
    (Felzenszwalb and Huttenlocher, Theory of Computing 2012). With a reach it is made of shifted
    copies alone, on any device and without waiting for it.

    Args:
        mask: (B, C, X, Y, Z), bool.
        edges: of a voxel along X, Y, Z.

    Examples:
        >>> distance_to(torch.tensor([True, False, False]).view(1, 1, 3, 1, 1), (1, 1, 1)).flatten()
        tensor([0., 1., 2.])
    """
    squares = (~mask).float() * REACH**2
    for dim, edge in enumerate(edges, 2):
        length, nearest = squares.shape[dim], squares.clone()
        for k in range(1, min(math.ceil(REACH / edge), length)):
            further = squares + (k * edge) ** 2
            nearest.narrow(dim, k, length - k).clamp_(max=further.narrow(dim, 0, length - k))
            nearest.narrow(dim, 0, length - k).clamp_(max=further.narrow(dim, k, length - k))
        squares = nearest
    return squares.sqrt()


def signed_distance(g: Tensor, known: Tensor, edges: Sequence[float]) -> Tensor:
    """The distance to a class, and within it, negative, to what is not of it.

    Of the voxels that are known. It is 0 where nobody knows, and all over a patch in which a class
    has no boundary, since it is absent or fills all that is known.

    Args:
        g: (B, C, X, Y, Z), bool: where each class is.
        known: of the same shape: of which voxels it is known.
        edges: of a voxel along X, Y, Z.
    """
    g, other = g & known, known & ~g
    both = g.flatten(2).any(2) & other.flatten(2).any(2)
    shown = both[:, :, None, None, None] & known
    return (distance_to(g, edges) - distance_to(other, edges)) * shown


def boundary_loss(p: Tensor, g: Tensor, known: Tensor, edges: Sequence[float]) -> Tensor:
    """The mean of phi (p - g) over what is known, phi being the signed distance of the label.

    The boundary loss (Kervadec et al., MIDL 2019, equation 4), half the squared distance between
    two boundaries. The paper leaves out phi g, which does not depend on the network; with it a
    perfect prediction has 0. Ours are whole voxels to the nearest of the other kind on both sides,
    and no further than `REACH`.

    Args:
        p: (B, C, X, Y, Z), 0..1.
        g: of the same shape, 0 or 1.
        known: of the same shape, bool.
        edges: of a voxel along X, Y, Z.
    """
    with torch.no_grad():
        distance = signed_distance(g > 0, known, edges)
    return (distance * (p - g) * known).sum() / known.sum().clamp(min=1)
