"""What CRLN makes of thin parts and edges where a plan asks for it; by itself it asks for none.

Thin is what `crln.losses.detail.thinness` says of a target or a pseudo-label; across thick slices
it is told in plane.
"""

from functools import partial

import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import Criteria
from crln.losses.detail import Axes, dilate, thinness_of_each
from crln.methods.crln.contrastive import VoxelDraws
from crln.methods.draws import Drawn


def structures(criteria: Criteria, target: Tensor) -> Tensor:
    """Where each class but the background is known to be, (B, K - 1, X, Y, Z) bool.

    Args:
        criteria: of the plan's classes.
        target: (B, X, Y, Z), class or IGNORE.
    """
    return (criteria.held(target) & criteria.known(target))[:, 1:]


def thin_voxels(criteria: Criteria, target: Tensor, axes: Axes) -> Tensor:
    """How thin each class but the background is at each voxel, (B, K - 1, X, Y, Z), 0 to 2.

    Args:
        criteria: of the plan's classes.
        target: (B, X, Y, Z), class or IGNORE.
        axes: of `crln.losses.fine_axes`.
    """
    held = structures(criteria, target)
    return thinness_of_each(held.float(), axes) * held


def any_thin(criteria: Criteria, target: Tensor, axes: Axes) -> Tensor:
    """Where some class but the background is thin, (B, X, Y, Z) bool; as above."""
    return (thin_voxels(criteria, target, axes) > 0).any(1)


def thin_target(criteria: Criteria, target: Tensor, axes: Axes) -> Tensor:
    """The target of thin prototypes: IGNORE where there is a structure, and none that is thin.

    Args:
        criteria: of the plan's classes.
        target: (B, X, Y, Z), class or IGNORE.
        axes: of `crln.losses.fine_axes`.
    """
    thick = structures(criteria, target).any(1) & ~any_thin(criteria, target, axes)
    return target.masked_fill(thick, IGNORE)


def surer_where_thin(criteria: Criteria, probabilities: Tensor, axes: Axes, by: float) -> Tensor:
    """Probabilities with more for a class where the label that they amount to is thin.

    q_k = min(1, p_k + by thinness_k / 2): all of `by` in parts below 3 voxels, half of it below 5.
    The label itself stays: only the class that it names already gains.

    Args:
        criteria: of the plan's classes.
        probabilities: (B, K, X, Y, Z).
        axes: of `crln.losses.fine_axes`.
        by: the most that is added.
    """
    _, label = criteria.confident(probabilities)
    thin = thin_voxels(criteria, label, axes)
    return torch.cat([probabilities[:, :1], (probabilities[:, 1:] + by / 2 * thin).clamp(max=1)], 1)


def thin_or_edge(criteria: Criteria, classes: Tensor, axes: Axes) -> Tensor:
    """Where a class is thin, or a neighbour is known to be of another class, (B, X, Y, Z) bool.

    Args:
        criteria: of the plan's classes.
        classes: (B, X, Y, Z), class or IGNORE.
        axes: of `crln.losses.fine_axes`.
    """
    known, held = criteria.known(classes), criteria.held(classes)
    beside = dilate((known & ~held).float(), axes) > 0
    return (held & known & beside).any(1) | any_thin(criteria, classes, axes)


class DetailDraws(VoxelDraws):
    """Draws of CPS of which a share of the queries are thin or edge voxels, where a class has any.

    Args:
        base: which voxels are of which class.
        criteria: of the plan's classes.
        axes: of `crln.losses.fine_axes`.
        share: of each class's queries, 0 to 1.
    """

    def __init__(self, base: VoxelDraws, criteria: Criteria, axes: Axes, share: float) -> None:
        self.base, self.criteria, self.axes, self.share = base, criteria, axes, share

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
        draw = partial(self.base.voxels, probabilities, confidence=confidence, generator=generator)
        held, (asked, present) = draw(classes, pool=pool, queries=queries)
        count = round(self.share * queries)
        detail = classes.masked_fill(~thin_or_edge(self.criteria, classes, self.axes), IGNORE)
        _, (fine, some) = draw(detail, pool=1, queries=count)
        first = torch.where(some[:, None], fine, asked[:, :count])
        return held, (torch.cat([first, asked[:, count:]], 1), present)

    def candidates(
        self,
        classes: Tensor,
        held: Drawn,
        means: Tensor,
        temperature: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """See `VoxelDraws`."""
        return self.base.candidates(classes, held, means, temperature, generator)
