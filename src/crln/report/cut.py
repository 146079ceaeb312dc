"""Which slices of a scan a page shows, and how large: as little as tells what there is to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

from crln.evaluation.measures import bounding_box
from crln.imaging import Grid

# Of a scan in RAS order: the axis that is cut, the two that are shown (across, up), and the letters
# at the picture's left, right, top and bottom. As radiologists look at scans, the patient's right
# is on the left: the axis across runs backwards.
PLANES = {
    "axial": (2, (0, 1), "RLAP"),
    "coronal": (1, (0, 2), "RLSI"),
    "sagittal": (0, (1, 2), "APSI"),
}

SLICES = 48
"""Of a scan at most; of more every second, third, ... is shown."""
PIXELS = 340_000
"""Of all its slices together at most."""
THICK = 2.0
"""How many times thicker slices are than their voxels are wide, where they are looked at alone."""
AROUND, LEAST = 0.6, 12.0
"""What is shown on each side of the structures: this share of their size, or so many mm."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Cut:
    """Slices of a scan, as they are looked at.

    Attributes:
        plane: "axial", "coronal" or "sagittal"; "" where nobody knows how the scan lies.
        letters: at the picture's left, right, top and bottom; "" likewise.
        grid: of the scan.
        axis: of RAS that is cut.
        at: of each axis of RAS the planes that are shown: of that which is cut each slice, of the
            others each column, from the left, and each row, from the top.
        within: the part of the scan that is shown, in RAS.
        key: which of the slices to look at first.
        doubt: of each slice, 0..1; () where nobody knows.
    """

    plane: str
    letters: str
    grid: Grid
    axis: int
    at: tuple[np.ndarray, np.ndarray, np.ndarray]
    within: Box
    key: int
    doubt: tuple[float, ...]

    @classmethod
    def through(cls, grid: Grid, structures: np.ndarray, doubt: Sequence[np.ndarray] = ()) -> "Cut":
        """The slices through what is outlined.

        Args:
            grid: of the scan.
            structures: (X, Y, Z) bool, where anything is outlined.
            doubt: summed over each slice along X, Y and Z, or () where nobody knows.
        """
        inside = grid.to_ras(structures)
        spacing, shape = grid.in_ras(grid.spacing), inside.shape
        axis = _cut_axis(shape, spacing)
        name, (_, shown, letters) = next(
            (name, plane) for name, plane in PLANES.items() if plane[0] == axis
        )
        box = bounding_box(inside)
        slices = _slices(shape[axis], box[axis] if box else None)
        profile = _along(grid, axis, doubt)
        weight = inside.sum(axis=shown) if profile is None else profile
        peak = int(np.argmax(weight)) if np.any(weight) else _middle(slices)
        step = slices.step or 1
        places = np.arange(slices.start + (peak - slices.start) % step, slices.stop, step)
        within = _surroundings(shape, spacing, box, shown, slices)
        at = [places] * 3
        sizes = [within[i].stop - within[i].start for i in shown]
        scale = min(1.0, sqrt(PIXELS / (len(places) * sizes[0] * sizes[1])))
        for i, size in zip(shown, sizes, strict=True):
            count = max(1, round(size * scale))
            middles = (np.arange(count) + 0.5) * size / count
            at[i] = within[i].start + middles.astype(int)[::-1]
        share = None if profile is None else profile[places] / max(float(profile.max()), 1e-12)
        return cls(
            name if grid.known else "", letters if grid.known else "", grid, axis,
            (at[0], at[1], at[2]), within, int(np.argmin(np.abs(places - peak))),
            () if share is None else tuple(float(value) for value in share),
        )  # fmt: skip

    @property
    def numbers(self) -> list[int]:
        """Of each slice its number in the file, from 1."""
        places, count = self.at[self.axis], self.grid.in_ras(self.grid.shape)[self.axis]
        backwards = any(axis == self.axis and way < 0 for axis, way in self.grid.turn)
        return [int(count - i if backwards else i + 1) for i in places]

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of a slice."""
        across, up = self._shown
        return len(self.at[across]), len(self.at[up])

    @property
    def ratio(self) -> float:
        """Width of a slice over its height, in mm."""
        spacing = self.grid.in_ras(self.grid.spacing)
        across, up = ((self.within[i].stop - self.within[i].start) * spacing[i]
                      for i in self._shown)  # fmt: skip
        return across / up

    def sample(self, array: np.ndarray) -> np.ndarray:
        """The nearest voxels of each pixel: (..., X, Y, Z) -> (..., slices, rows, columns)."""
        across, up = self._shown
        lead = array.ndim - 3
        index: Any = (..., *np.ix_(*self.at))
        taken = self.grid.to_ras(array)[index]
        order = (self.axis, up, across)
        return taken.transpose(*range(lead), *(lead + i for i in order))

    def whole(self, array: np.ndarray) -> np.ndarray:
        """The part that is shown in the scan's own voxels: (X, Y, Z) -> the same order of axes."""
        across, up = self._shown
        index: list[slice | np.ndarray] = list(self.within)
        index[self.axis] = self.at[self.axis]
        part = self.grid.to_ras(array)[tuple(index)]
        return part.transpose(self.axis, up, across)[:, ::-1, ::-1]

    @property
    def _shown(self) -> tuple[int, int]:
        return next(shown for cut, shown, _ in PLANES.values() if cut == self.axis)


def _cut_axis(shape: Sequence[int], spacing: Sequence[float]) -> int:
    """A flat scan is looked at from above, thick slices each by itself; others are axial."""
    if 1 in shape:
        return max(range(3), key=lambda axis: (shape[axis] == 1, axis))
    thickest = int(np.argmax(spacing))
    return thickest if spacing[thickest] >= THICK * sorted(spacing)[1] else 2


def _slices(count: int, box: slice | None) -> slice:
    """All, or where those are too many the structures' and some beyond, some left out."""
    start, stop = 0, count
    if count > SLICES and box is not None:
        beyond = max(2, (box.stop - box.start) // 4)
        start, stop = max(0, box.start - beyond), min(count, box.stop + beyond)
    return slice(start, stop, ceil((stop - start) / SLICES))


def _middle(slices: slice) -> int:
    return int((slices.start + slices.stop) // 2)


def _along(grid: Grid, axis: int, doubt: Sequence[np.ndarray]) -> np.ndarray | None:
    """The doubt of each slice along an axis of RAS."""
    for values, (towards, way) in zip(doubt, grid.turn, strict=False):
        if towards == axis and len(values):
            return np.asarray(values, float)[::way]
    return None


def _surroundings(
    shape: Sequence[int],
    spacing: Sequence[float],
    box: Box | None,
    shown: tuple[int, int],
    slices: slice,
) -> Box:
    """A square about the structures, as far as the scan has one."""
    within = [slice(0, n) for n in shape]
    if box is not None:
        sizes = [(box[i].stop - box[i].start) * spacing[i] for i in shown]
        side = max(sizes) + 2 * max(AROUND * max(sizes), LEAST)
        for i in shown:
            wanted = min(shape[i], ceil(side / spacing[i]))
            start = (box[i].start + box[i].stop - wanted) // 2
            start = min(max(start, 0), shape[i] - wanted)
            within[i] = slice(start, start + wanted)
    within[3 - sum(shown)] = slice(slices.start, slices.stop)
    return within[0], within[1], within[2]
