"""What a training step takes of memory, and a plan that fits what there is."""

from math import prod

from crln.planning.plan import Plan, Triple

BYTES, PER_CLASS = 1320, 36
"""Of memory for a voxel of a patch in a training step of CRLN with the default V-Net in float32
(5.7 GiB for four patches of 112x112x80, docs/reference/benchmarks.md), and for each class."""

WIDTH = 16
"""Channels of the finest level in that measurement, on which the first of the two hangs."""

FIXED = 0.5
"""GiB of a process before its first step."""

GIB = 2**30

LEAST = 4
"""Voxels at the coarsest level along each axis that is shrunk, before the batch is; then 1."""


def step_gib(plan: Plan) -> float:
    """GiB that a training step with the plan takes, about.

    Examples:
        >>> round(step_gib(crln.Plan().updated({"patch_size": [112, 112, 80]})), 1)
        5.7
    """
    training = plan.training
    voxels = prod(plan.patch_size) * (training.labelled + training.unlabelled)
    each = BYTES * plan.network.widths[0] / WIDTH + PER_CLASS * plan.classes
    return FIXED + voxels * each / GIB


def fit_memory(plan: Plan, gib: float) -> Plan:
    """The plan, its patch or batch shrunk where a step would take more memory than there is.

    First the patch's side that is longest in mm shrinks, while four voxels are left at the
    network's coarsest level; then the batch, to one labelled and one unlabelled patch; at last
    the patch again.

    Args:
        plan: any.
        gib: memory that a step may take.

    Examples:
        >>> plan = crln.Plan().updated({"patch_size": [112, 112, 80]})
        >>> fit_memory(plan, 4.0).patch_size
        (80, 96, 80)
    """
    plan = _shrunk(plan, gib, LEAST)
    training = plan.training
    if step_gib(plan) > gib:
        fewer = {"labelled": 1, "unlabelled": min(training.unlabelled, 1)}
        plan = plan.updated({"training": fewer})
    return _shrunk(plan, gib, 1)


def _shrunk(plan: Plan, gib: float, least: int) -> Plan:
    """The plan with the largest patch that fits, of sides not below `least` steps."""
    spacing, step = plan.spacing or (1.0, 1.0, 1.0), plan.step
    while step_gib(plan) > gib and (patch := shorter(plan.patch_size, spacing, step, least)):
        plan = plan.updated({"patch_size": patch})
    return plan


def shorter(
    patch: Triple, spacing: tuple[float, float, float], step: Triple, least: int = 1
) -> Triple | None:
    """A patch whose side that is longest in mm is a step shorter.

    Args:
        patch: voxels along X, Y, Z.
        spacing: mm of a voxel.
        step: what its sides are multiples of.
        least: steps that each side keeps.

    Returns:
        None where no side has more.
    """
    extent = [
        side * mm if side > least * every else 0.0
        for side, mm, every in zip(patch, spacing, step, strict=True)
    ]
    if not any(extent):
        return None
    longest = extent.index(max(extent))
    x, y, z = (
        side - every if axis == longest else side
        for axis, (side, every) in enumerate(zip(patch, step, strict=True))
    )
    return x, y, z
