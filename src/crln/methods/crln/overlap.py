"""Which voxels Cooperative Positive Supervision looks at where classes overlap.

A voxel is a positive of every class that it is of, and so may be a query of several; a negative of
a class is a voxel of another class that is known not to be of this one: the core of a tumour is no
negative of the whole.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import LabelSpace
from crln.methods.crln.contrastive import VoxelDraws
from crln.methods.draws import Drawn, draw_of_each


class OverlappingDraws(VoxelDraws):
    """As of exclusive classes, but for which voxels are of a class, and which are not.

    A candidate's class is drawn as there, its voxel uniformly from those of that class's pool that
    are known not to be of the query's.

    Args:
        labels: of the classes.
    """

    def __init__(self, labels: LabelSpace) -> None:
        self.labels = labels

    def voxels(
        self,
        probabilities: Tensor,
        classes: Tensor,
        *,
        pool: int,
        queries: int,
        confidence: float,
        generator: torch.Generator,
    ) -> tuple[Drawn, Drawn]:
        """See `VoxelDraws`."""
        each = range(self.labels.classes)
        held_by = torch.stack([self.labels.holds(classes, k) for k in each])  # (K, B, X, Y, Z)
        unsure = held_by & (probabilities.movedim(1, 0) < confidence)
        held = draw_of_each(held_by, pool, generator)
        return held, draw_of_each(unsure, queries, generator)

    def candidates(
        self,
        classes: Tensor,
        held: Drawn,
        means: Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """See `VoxelDraws`."""
        places, present = held
        others = _known_others(classes.flatten()[places], self.labels) & present[:, None]
        return draw_others(means, others, temperature, generator), others.flatten(1).any(1)


def _known_others(combinations: Tensor, labels: LabelSpace) -> Tensor:
    """Which voxels of all pools, (K, M), are known not to be of each class: (K, K, M) bool."""
    return torch.stack([
        labels.knows(combinations, k) & ~labels.holds(combinations, k)
        for k in range(labels.classes)
    ])  # fmt: skip


def draw_others(
    means: Tensor, others: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """For each class, places in the pools that are of none of it, likelier in similar classes.

    Args:
        means: mu_k, (K, E).
        others: (K, K, M) bool: for each class, which voxels of every class's pool may be drawn.
        temperature: t of softmax(cos(mu_k, mu_j) / t), over the classes that have any such voxel.
        generator: on the same device.

    Returns:
        (K, M), int64, indices into the pools laid end to end; any where there is none to draw.
    """
    unit = F.normalize(means, dim=1)
    some = others.sum(2)
    likeness = (unit @ unit.T / temperature).masked_fill(some == 0, -1e4).softmax(1)
    share = likeness / some.clamp(min=1)  # of each voxel that may be drawn
    until = (share[..., None] * others).flatten(1).cumsum(1)
    shape = (len(means), others.shape[2])
    draw = torch.rand(shape, generator=generator, device=means.device) * until[:, -1:]
    return torch.searchsorted(until, draw, right=True).clamp(max=until.shape[1] - 1)
