"""What a label teaches of thin parts and of surfaces, in which plain Dice hardly counts a voxel.

All of it is made of smallest and largest values of neighbours, so that it runs on any device, on
soft probabilities, and on targets that were mixed or cropped a moment ago. p and g are maps of each
class but the background, (B, C, X, Y, Z): the probability, and 1 where the target is of the class;
both are 0 where nobody knows.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.losses.boundary import boundary_loss
from crln.losses.criteria import Criteria
from crln.losses.skeleton import ROUNDS, SMOOTH, Axes, skeleton_recall

TERM = 0.5
"""Weight of each term, as much as Dice has in `dice_ce`."""


def fine_axes(shape: Sequence[int], spacing: Sequence[float] | None) -> tuple[int, ...]:
    """The axes of a patch along which voxels are fine enough for thickness to be seen.

    Across slices of more than twice the finest voxel edge, one slice is no more a skeleton than the
    next; there all is done in plane. Without a spacing voxels count as cubes. A single slice has no
    edge across.

    Examples:
        >>> fine_axes((96, 96, 8), (2.5, 2.5, 10.0))
        (0, 1)
    """
    edges = {a: spacing[a] if spacing else 1.0 for a in range(3) if shape[a] > 1}
    return tuple(a for a, edge in edges.items() if edge <= 2 * min(edges.values()))


def dilate(x: Tensor, axes: Axes, reach: int = 1) -> Tensor:
    """The largest value among neighbours up to `reach` voxels away along each of `axes`."""
    for axis in axes:  # a cube is one axis after another
        for _ in range(reach):
            x = _widened(x, axis)
    return x


def _widened(x: Tensor, axis: int) -> Tensor:
    """The largest of each voxel and its two neighbours along one axis."""
    dim, length = axis + 2, x.shape[axis + 2]
    if x.requires_grad or length == 1:  # the slope of pooling costs less than that of `maximum`
        kernel = [3 if a == axis else 1 for a in range(3)]
        return F.max_pool3d(x, kernel, 1, [k // 2 for k in kernel])
    pairs = torch.maximum(x.narrow(dim, 0, length - 1), x.narrow(dim, 1, length - 1))
    inner = torch.maximum(pairs.narrow(dim, 0, length - 2), pairs.narrow(dim, 1, length - 2))
    return torch.cat([pairs.narrow(dim, 0, 1), inner, pairs.narrow(dim, length - 2, 1)], dim)


def erode(x: Tensor, axes: Axes, reach: int = 1) -> Tensor:
    """The smallest value among the same neighbours."""
    return -dilate(-x, axes, reach)


def peel(x: Tensor, axes: Axes) -> Tensor:
    """The smallest value among neighbours by a face: takes one layer off."""
    return -torch.stack([dilate(-x, (axis,)) for axis in axes]).amax(0)


def soft_skeleton(x: Tensor, axes: Axes, rounds: int = ROUNDS) -> Tensor:
    """What an opening removes, layer by layer (Shit et al., CVPR 2021, algorithm 1).

    Args:
        x: (B, C, X, Y, Z), 0..1.
        axes: along which it has thickness.
        rounds: how many layers are taken off.

    Examples:
        >>> rod = torch.zeros(1, 1, 5, 5, 9)
        >>> rod[..., 1:4, 1:4, 1:8] = 1
        >>> soft_skeleton(rod, (0, 1, 2))[0, 0, 2, 2, 2:7]
        tensor([1., 1., 1., 1., 1.])
    """
    skeleton = torch.zeros_like(x)
    for _ in range(rounds + 1):
        inner = peel(x, axes)
        layer = F.relu(x - dilate(inner, axes))
        skeleton = skeleton + F.relu(layer - skeleton * layer)
        x = inner
    return skeleton


def share(part: Tensor, whole: Tensor) -> Tensor:
    """How much of `part`, summed over the batch, lies in `whole`, (C,)."""
    dims = (0, 2, 3, 4)
    return ((part * whole).sum(dims) + SMOOTH) / (part.sum(dims) + SMOOTH)


def centreline_dice_loss(p: Tensor, g: Tensor, axes: Axes) -> Tensor:
    """1 - soft clDice (Shit et al., CVPR 2021, equation 2), the mean over classes; as above."""
    precision = share(soft_skeleton(p, axes), g)
    sensitivity = share(soft_skeleton(g, axes), p)
    return 1 - (2 * precision * sensitivity / (precision + sensitivity)).mean()


def surface_dice_loss(p: Tensor, g: Tensor, axes: Axes) -> Tensor:
    """1 - soft Dice of the surfaces within one voxel, the mean over classes; as above.

    A surface is what an erosion takes off; it is found where the other's, widened by a voxel, is
    (Bokhovkin & Burnaev, ISNN 2019, equations 2 to 5).
    """
    ours, theirs = p - peel(p, axes), g - peel(g, axes)
    precision, sensitivity = share(ours, dilate(theirs, axes)), share(theirs, dilate(ours, axes))
    return 1 - (2 * precision * sensitivity / (precision + sensitivity)).mean()


def thinness(g: Tensor, axes: Axes) -> Tensor:
    """How thin a class is at each voxel, (B, 1, X, Y, Z): 2 below 3 voxels, 1 below 5, else 0.

    Thin is what an opening by a cube of that size takes away; it has no say where no class is. In
    whole labels thin is what `crln.evaluation.fine.thin_part` measures with balls, in millimetres
    and on the host, to the same bound of 5. That takes seconds a scan; this is for views, which are
    cropped, mixed and pseudo-labelled on the device within a step.
    """
    return thinness_of_each(g, axes).amax(1, keepdim=True)


def thinness_of_each(g: Tensor, axes: Axes) -> Tensor:
    """As `thinness`, of each class, (B, C, X, Y, Z)."""
    kept = [dilate(erode(g, axes, reach), axes, reach) for reach in (1, 2)]
    return (2 * g - kept[0] - kept[1]).clamp(min=0)


TERMS: dict[str, Callable[[Tensor, Tensor, Axes], Tensor]] = {
    "cldice": centreline_dice_loss,
    "surface_dice": surface_dice_loss,
}
"""Terms of a plan's loss that are made of p and g."""

SKELETON = "skeleton_recall"
"""`skeleton_recall`, of a label's voxels and the probability of their own class alone."""

THIN_CE = "thin_ce"
"""Cross-entropy that weighs a voxel 1 + `thinness`."""

BOUNDARY = "boundary"
"""`boundary_loss`, whose weight rises with the training, as in its paper."""

DETAILS = (SKELETON, *TERMS, THIN_CE, BOUNDARY)


def detail_loss(
    names: Sequence[str],
    criteria: Criteria,
    logits: Tensor,
    target: Tensor,
    axes: Axes,
    edges: Sequence[float] = (1.0, 1.0, 1.0),
    progress: float = 1.0,
) -> Tensor:
    """The sum of a plan's terms of detail, each with the weight that Dice has.

    Args:
        names: of `DETAILS`, at least one.
        criteria: what logits mean.
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), class or IGNORE.
        axes: of `fine_axes`.
        edges: of `voxel_edges`.
        progress: share of the training done; `boundary` has as much of its weight.
    """
    losses = []
    if SKELETON in names:
        own, label = criteria.own(logits, target)
        losses.append(skeleton_recall(own, label, logits.shape[1] - 1, axes))
    if set(names) != {SKELETON}:
        losses += _of_maps(names, criteria, logits, target, axes, edges, progress)
    return TERM * torch.stack(losses).sum()


def _of_maps(
    names: Sequence[str],
    criteria: Criteria,
    logits: Tensor,
    target: Tensor,
    axes: Axes,
    edges: Sequence[float],
    progress: float,
) -> list[Tensor]:
    """The terms that take a map of each class; arguments as above."""
    known = criteria.known(target)[:, 1:]
    p = criteria.probabilities(logits)[:, 1:] * known
    g = (criteria.held(target)[:, 1:] & known).to(p.dtype)
    losses = [TERMS[name](p, g, axes) for name in names if name in TERMS]
    if THIN_CE in names:
        weights = (1 + thinness(g, axes).squeeze(1)) * known.any(1)
        voxels = criteria.voxel_cross_entropy(logits, target)
        losses.append((voxels * weights).sum() / weights.sum().clamp(min=1))
    if BOUNDARY in names:
        losses.append(progress * boundary_loss(p, g, known, edges))
    return losses
