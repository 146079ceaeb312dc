"""One scan in memory: voxels and where they lie."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Volume:
    """Voxels and their place in the patient.

    Attributes:
        array: (C, X, Y, Z); float32 for an image, an integer type for a label (C = 1).
        affine: (4, 4), voxel index to millimetres in RAS+ world coordinates.
    """

    array: np.ndarray
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """The spatial shape (X, Y, Z)."""
        x, y, z = self.array.shape[1:]
        return x, y, z

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along X, Y and Z in millimetres."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)
