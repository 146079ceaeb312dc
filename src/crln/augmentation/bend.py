"""Elastic bending: a smooth displacement that never folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crln.augmentation.separable import separable
from crln.planning.plan import Triple

FOLDS = 0.4
"""Displacements of control points below this share of their distance never fold space (Choi and
Lee, 2000, for cubic B-splines in three dimensions)."""


@dataclass(frozen=True)
class Bend:
    """Displacements at control points, interpolated by uniform cubic B-splines.

    Attributes:
        control: (3, I, J, K), in voxels along X, Y, Z, at control points along each axis; one point
            along an axis: the same all along it.
        distance: voxels between control points.
    """

    control: np.ndarray
    distance: float

    def field(self, size: Triple, device: torch.device) -> Tensor:
        """The displacement of every voxel, (3, *size), float32."""
        control = torch.from_numpy(self.control.astype(np.float32)).to(device)
        points = self.control.shape[1:]
        return separable(
            control,
            [
                spline_matrix(side, count, self.distance, device)
                for side, count in zip(size, points, strict=True)
            ],
        )

    def displace(self, grid: Tensor, source: Triple) -> None:
        """Moves the places of a sampling grid, (1, *size, 3), in place.

        Args:
            grid: of `crln.augmentation.geometry.sampling_grid`.
            source: X, Y, Z of what it samples.
        """
        x, y, z = grid.shape[1:4]
        for row, (moved, side) in enumerate(
            zip(self.field((x, y, z), grid.device), source, strict=True)
        ):
            grid[0, ..., 2 - row] += moved * (2 / max(side - 1, 1))


def spline_matrix(side: int, points: int, distance: float, device: torch.device) -> Tensor:
    """(side, points) weights of the cubic B-spline at each voxel; each row sums to 1."""
    if points == 1:
        return torch.ones(side, 1, device=device)
    places = torch.arange(side, device=device, dtype=torch.float32) / distance + 1
    far = (places[:, None] - torch.arange(points, device=device)).abs()
    near = 2 / 3 - far**2 + far**3 / 2
    return torch.where(far < 1, near, (2 - far).clamp(min=0) ** 3 / 6)


def draw_bend(
    random: np.random.Generator,
    size: Sequence[int],
    distance: float,
    reach: float,
    slices: int | None = None,
) -> Bend:
    """Displacements drawn evenly from within `reach` of the distance between control points.

    Args:
        random: a numpy generator.
        size: X, Y, Z of the view.
        distance: voxels between control points.
        reach: largest displacement along an axis, a share of `distance`; below `FOLDS`.
        slices: the axis that slices far apart follow each other along: they bend in plane, alike.
    """
    # one control point beyond either end, and one more, as a cubic spline has four at each place
    counts = [
        1 if axis == slices else int((side - 1) // distance) + 4 for axis, side in enumerate(size)
    ]
    control = random.uniform(-reach * distance, reach * distance, (3, *counts))
    if slices is not None:
        control[slices] = 0
    return Bend(control, distance)
