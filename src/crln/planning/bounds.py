"""What a plan's numbers may be, beyond what a field's own bounds say."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.planning.plan import Plan


def _different(axes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(axes)) < len(axes):
        raise ValueError(f"names an axis twice: {list(axes)}")
    return axes


Axes = Annotated[tuple[Annotated[int, Field(ge=0, le=2)], ...], AfterValidator(_different)]
"""Array axes, 0, 1, 2 of X, Y, Z, each at most once."""

Steps = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
"""Voxels along X, Y, Z, at least one."""


MOST_VOXELS = 2**28
"""Of a patch: the finest maps alone would take 16 GiB, in each of many layers."""


def misfit(patch: Sequence[int], step: Sequence[int]) -> str | None:
    """Why a network of this step cannot take a patch, and the nearest that it can, in words.

    Args:
        patch: voxels along X, Y, Z.
        step: what they must be multiples of.

    Returns:
        None where it can take it.

    Examples:
        >>> misfit((30, 32, 40), (16, 16, 16))
        'each side of the patch must be a multiple of 16, got [30, 32, 40] (nearest: 32 x 32 x 32)'
    """
    nearest = [every * max(1, round(side / every)) for side, every in zip(patch, step, strict=True)]
    if nearest == list(patch):
        return (
            None if prod(patch) <= MOST_VOXELS else f"{list(patch)} is beyond any machine's memory"
        )
    due = str(step[0]) if len(set(step)) == 1 else f"{list(step)}, axis by axis"
    times = " x ".join(map(str, nearest))
    return (
        f"each side of the patch must be a multiple of {due}, got {list(patch)} (nearest: {times})"
    )


def check_batch(plan: "Plan", method: str, uses_unlabelled: bool) -> None:
    """Refuses a batch that a method cannot learn from.

    Args:
        plan: gives patch and batch.
        method: its name, for the error.
        uses_unlabelled: whether it learns from unlabelled patches.

    Raises:
        CrlnError: no unlabelled patch for a method that needs one; or a norm would have one voxel
            to average at the coarsest level.
    """
    training = plan.training
    if uses_unlabelled and not training.unlabelled:
        raise CrlnError(
            f"plan: training.unlabelled: 0, but {method} learns from unlabelled patches; make it 1 "
            "or more, or use --method supervised"
        )
    coarsest = prod(side // step for side, step in zip(plan.patch_size, plan.step, strict=True))
    fewest = min(training.labelled, training.unlabelled or training.labelled)
    if not uses_unlabelled:
        fewest = training.labelled + training.unlabelled
    # Instance norm averages within a patch, batch norm over the patches of a pass.
    alone = coarsest if plan.network.kind == "unet" else coarsest * fewest
    if alone == 1:
        larger = [2 * plan.patch_size[0], *plan.patch_size[1:]]
        raise CrlnError(
            f"plan: patch_size: {list(plan.patch_size)} is one voxel at the network's coarsest "
            f"level, of which no norm can be taken; make it {larger} or larger, or take more "
            "patches a step"
        )
