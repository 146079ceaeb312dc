"""From a scan's own grid to the plan's."""

from dataclasses import dataclass

import numpy as np

from crln.combinations import join, settled
from crln.imaging import Grid, Shape, Spacing
from crln.labels import IGNORE, LabelSpace
from crln.preparation.resample import resample_classes, resample_image, thin_classes

THICK = 3.0
"""An axis whose voxels are this many times longer than the shortest is interpolated linearly."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How the prepared grid lies in the scan's.

    Attributes:
        grid: the scan's own.
        shape: the prepared shape, axes in RAS order.
        thick: which axes of the scan, in RAS order, have much longer voxels than the finest.
    """

    grid: Grid
    shape: Shape
    thick: tuple[bool, ...] = (False, False, False)

    @property
    def turned(self) -> Shape:
        """The scan's shape in RAS order, before resampling."""
        return self.grid.in_ras(self.grid.shape)


def place(grid: Grid, spacing: Spacing | None) -> Placement:
    """Where a scan lies on a grid of `spacing` mm in RAS order; None keeps its own spacing."""
    own = grid.in_ras(grid.spacing)
    x, y, z = grid.in_ras(grid.shape)
    if spacing is not None:
        x, y, z = (
            max(1, round(n * s / t)) for n, s, t in zip((x, y, z), own, spacing, strict=True)
        )
    thick = tuple(s > THICK * min(own) for s in own)
    return Placement(grid, (x, y, z), thick)


def image_to_plan_grid(image: np.ndarray, placement: Placement) -> np.ndarray:
    """One channel (X, Y, Z) of the scan in RAS order on the plan's grid, float32."""
    return resample_image(placement.grid.to_ras(image), placement.shape, placement.thick)


def classes_to_plan_grid(classes: np.ndarray, placement: Placement, number: int) -> np.ndarray:
    """Classes 0..number-1 or IGNORE, (X, Y, Z), in RAS order on the plan's grid."""
    turned = placement.grid.to_ras(classes)
    if placement.turned == placement.shape:
        return np.ascontiguousarray(turned)
    unknown = turned == IGNORE
    if not unknown.any():
        return resample_classes(turned, placement.shape, number)
    for axis, side in enumerate(placement.shape):
        if side < turned.shape[axis]:
            turned = thin_classes(turned, axis, side)
    unknown = turned == IGNORE
    # What nobody knows competes as one class more.
    found = resample_classes(
        np.where(unknown, number, turned.astype(np.int32)), placement.shape, number + 1
    ).astype(np.int32)
    return np.where(found == number, IGNORE, found).astype(classes.dtype)


def combinations_to_plan_grid(
    combined: np.ndarray, placement: Placement, labels: LabelSpace
) -> np.ndarray:
    """Combinations of classes or IGNORE, (X, Y, Z), on the plan's grid: each class by itself.

    So what is unknown of a class keeps what is known of it, as `classes_to_plan_grid` has it.
    """
    if placement.turned == placement.shape:
        return np.ascontiguousarray(placement.grid.to_ras(combined))
    held, unknown = {}, {}
    for k in range(1, labels.classes):
        alone = np.where(labels.knows(combined, k), labels.holds(combined, k), IGNORE)
        placed = classes_to_plan_grid(alone.astype(np.int8), placement, 2)
        held[k] = placed == 1
        if (open_there := placed == IGNORE).any():
            unknown[k] = open_there
    if labels.members:
        found = settled(join(held, {}, len(held)), labels.possible)
        if unknown:  # of regions nobody knows one without the others
            found[np.any(list(unknown.values()), axis=0)] = IGNORE
        return found
    found = join(held, unknown, len(held))
    if len(unknown) == len(held):
        found[np.all(list(unknown.values()), axis=0)] = IGNORE
    return found
