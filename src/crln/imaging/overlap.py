"""Structures that are outlined one by one, as one array of label values."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crln.errors import counted
from crln.imaging.grid import Shape
from crln.imaging.telling import tell_once


class Overlaps:
    """Collects structures; where two overlap, the smaller one has the voxel, and that is told.

    So a tumour stays where it lies in an organ that is outlined as a whole.

    Args:
        shape: (X, Y, Z).
        names: label value -> name.
    """

    def __init__(self, shape: Shape, names: Mapping[int, str]) -> None:
        self._names = names
        self._array = np.zeros(shape, np.int32)
        self._size: Counter[int] = Counter()
        self._shared: list[tuple[int, tuple[np.ndarray, ...]]] = []

    def add(self, value: int, voxels: tuple[np.ndarray, ...]) -> None:
        """Further voxels of a structure: their indices along X, Y and Z, each voxel once."""
        self._size[value] += len(voxels[0])
        before = self._array[voxels]
        taken = (before != 0) & (before != value)
        free = tuple(axis[~taken] for axis in voxels)
        self._array[free] = value
        if taken.any():
            self._shared.append((value, tuple(axis[taken] for axis in voxels)))

    def settle(self, path: Path) -> np.ndarray:
        """The label values, (X, Y, Z) int32, 0 where no structure is."""
        told: Counter[tuple[int, int]] = Counter()
        for value, voxels in self._shared:
            before = self._array[voxels]
            for other in np.unique(before).tolist():
                here = tuple(axis[before == other] for axis in voxels)
                inner = min(value, other, key=lambda v: (self._size[v], v))
                told[value + other - inner, inner] += len(here[0])
                self._array[here] = inner
        for (outer, inner), count in told.items():
            names = self._names[outer], self._names[inner]
            tell_once(
                f"{path}: {names[0]} and {names[1]} overlap in {counted(count, 'voxel')}; "
                f"taken for {names[1]}, the smaller one"
            )
        return self._array
