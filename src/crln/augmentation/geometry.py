"""Where each voxel of a view comes from: mirroring and quarter turns, affine maps, in-plane zoom.

All take one sample, (C, X, Y, Z) or (X, Y, Z), and plain numbers drawn beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crln.augmentation.bend import Bend
from crln.augmentation.separable import separable
from crln.augmentation.views import IN_PLANE, Plane
from crln.planning.plan import Triple

Matrix = tuple[tuple[float, ...], ...]
"""(3, 3) as plain numbers."""

KEYS = -0.5
"""The parameter of Keys' cubic convolution that is exact for quadratic functions."""


@dataclass(frozen=True)
class Turn:
    """A symmetry of the voxel grid: two axes swapped or not, then axes mirrored; exact.

    Attributes:
        swap: whether the axes of the plane change places.
        mirrored: of 0, 1, 2 (X, Y, Z) after the swap.
        plane: X and Y, or what else lies within a slice.
    """

    swap: bool = False
    mirrored: tuple[int, ...] = ()
    plane: Plane = IN_PLANE

    def __call__(self, volume: Tensor) -> Tensor:
        """The turned (..., X, Y, Z); a view where nothing is mirrored."""
        first, second = (axis - 3 for axis in self.plane)
        turned = volume.transpose(first, second) if self.swap else volume
        return turned.flip([axis - 3 for axis in self.mirrored]) if self.mirrored else turned


@dataclass(frozen=True)
class Placed:
    """A resampling or crop, then a turn: a `Placing`."""

    source: "Crop | Warp | Zoom"
    turn: Turn

    def image(self, image: Tensor) -> Tensor:
        """See `Placing`."""
        return self.turn(self.source.image(image))

    def map(self, values: Tensor, outside: float) -> Tensor:
        """See `Placing`."""
        return self.turn(self.source.map(values, outside))


def draw_turn(
    random: np.random.Generator,
    shape: Triple,
    quarters: bool,
    mirror_axes: Sequence[int],
    plane: Plane = IN_PLANE,
) -> Turn:
    """A uniform in-plane turn by a multiple of 90 degrees, and each allowed axis mirrored or not.

    A patch whose sides in the plane differ keeps its shape: it is turned by 0 or 180 degrees only.
    """
    quarter = int(random.integers(4)) if quarters else 0
    first, second = plane
    if shape[first] != shape[second]:
        quarter -= quarter % 2
    # A turn by 90 degrees is the swap and one mirrored axis; by 180, both axes mirrored.
    mirrored = {0: set(), 1: {first}, 2: {first, second}, 3: {second}}[quarter]
    mirrored ^= {axis for axis in mirror_axes if random.random() < 0.5}
    return Turn(quarter % 2 == 1, tuple(sorted(mirrored)), plane)


def centre_crop(volume: Tensor, size: Triple) -> Tensor:
    """The central `size` voxels of (..., X, Y, Z), a view."""
    for axis, n in zip((-3, -2, -1), size, strict=True):
        volume = volume.narrow(axis, (volume.shape[axis] - n) // 2, n)
    return volume


def affine_matrix(
    degrees: Sequence[float] | np.ndarray, zoom: float | Sequence[float], spacing: Sequence[float]
) -> Matrix:
    """The (3, 3) map of a view's voxel offsets from the centre to the source's.

    The view shows the source turned about X, then Y, then Z and enlarged by `zoom`. Angles hold in
    millimetres: with spacings S on the diagonal and rotation R it is S^-1 R S / zoom.

    Args:
        degrees: about X, Y, Z.
        zoom: > 1 enlarges; one number, or one for X, Y, Z.
        spacing: voxel size along X, Y, Z.
    """
    rotation = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        about = np.eye(3)
        about[i, i] = about[j, j] = np.cos(angle)
        about[i, j], about[j, i] = -np.sin(angle), np.sin(angle)
        rotation = about @ rotation
    millimetres = np.asarray(spacing, float)
    matrix = rotation * millimetres[None, :] / millimetres[:, None] / np.asarray(zoom)
    return tuple(tuple(float(value) for value in row) for row in matrix)


def sampling_grid(matrix: Matrix, source: Triple, size: Triple, device: torch.device) -> Tensor:
    """(1, *size, 3) coordinates for `grid_sample` (align_corners=True); centre maps to centre.

    Written as sums of three axes: a tenth of the time of `affine_grid`, and nothing to upload.
    """
    offsets = [torch.arange(n, device=device, dtype=torch.float32) - (n - 1) / 2 for n in size]
    grid = torch.empty(1, *size, 3, device=device)
    for row, n in enumerate(source):
        x, y, z = (
            offset * (2 / max(n - 1, 1) * entry)
            for offset, entry in zip(offsets, matrix[row], strict=True)
        )
        # grid_sample counts axes from the last: its first coordinate is Z.
        torch.add(x[:, None, None] + y[:, None], z, out=grid[0, ..., 2 - row])
    return grid


class Crop:
    """The central `size` voxels as they are."""

    def __init__(self, size: Triple) -> None:
        self.size = size

    def image(self, image: Tensor) -> Tensor:
        """See `Placing`."""
        return centre_crop(image, self.size)

    def map(self, values: Tensor, outside: float) -> Tensor:
        """See `Placing`."""
        return centre_crop(values, self.size)


class Warp:
    """An affine map: images trilinear, maps by the nearest voxel, both through one sampling grid.

    Args:
        matrix: see `affine_matrix`.
        size: of the result.
        bend: displaces the places of the result, in the source's voxels, besides; None: nothing.
    """

    def __init__(self, matrix: Matrix, size: Triple, bend: Bend | None = None) -> None:
        self.matrix, self.size, self.bend = matrix, size, bend
        self._grid: Tensor | None = None
        self._nearest: tuple[Tensor, Tensor] | None = None

    def image(self, image: Tensor) -> Tensor:
        """See `Placing`."""
        grid = self._sampled(image)
        return F.grid_sample(image[None], grid, mode="bilinear", align_corners=True)[0]

    def map(self, values: Tensor, outside: float) -> Tensor:
        """See `Placing`."""
        if self._nearest is None:
            self._nearest = nearest_voxels(self._sampled(values), _sides(values))
        voxels, inside = self._nearest
        taken = values.flatten(-3).index_select(-1, voxels.flatten())
        return taken.unflatten(-1, self.size).masked_fill_(~inside, outside)

    def _sampled(self, volume: Tensor) -> Tensor:
        if self._grid is None:
            sides = _sides(volume)
            self._grid = sampling_grid(self.matrix, sides, self.size, volume.device)
            if self.bend is not None:
                self.bend.displace(self._grid, sides)
        return self._grid


def nearest_voxels(grid: Tensor, source: Triple) -> tuple[Tensor, Tensor]:
    """Which voxels `grid_sample` takes, as indices, so that a map of any type can follow exactly.

    Args:
        grid: (1, *size, 3), see `sampling_grid`.
        source: X, Y, Z of what is sampled.

    Returns:
        Flat indices into the source, 0 outside it, and which lie inside: both (*size).
    """
    count = prod(source)
    kind = torch.float32 if count < 2**24 else torch.float64  # what holds every number
    numbers = torch.arange(1, count + 1, device=grid.device, dtype=kind).view(1, 1, *source)
    found = F.grid_sample(numbers, grid.to(kind), mode="nearest", align_corners=True)[0, 0]
    inside = found > 0  # outside is 0
    return found.long().sub_(1).clamp_(min=0), inside


def _sides(volume: Tensor) -> Triple:
    x, y, z = volume.shape[-3:]
    return x, y, z


def zoom_positions(side: int, zoom: float, device: torch.device) -> Tensor:
    """(side,) source coordinate of each voxel when enlarged by `zoom` about the centre."""
    centre = (side - 1) / 2
    return (torch.arange(side, device=device, dtype=torch.float32) - centre) / zoom + centre


def cubic_matrix(positions: Tensor) -> Tensor:
    """(n, n) weights of cubic convolution at `positions` on n voxels; rows outside are 0.

    Near the border, where voxels are missing, the weights are scaled to sum to 1 again.
    """
    side = len(positions)
    distance = (positions[:, None] - torch.arange(side, device=positions.device)).abs()
    near = ((KEYS + 2) * distance - (KEYS + 3)) * distance**2 + 1
    far = KEYS * (((distance - 5) * distance + 8) * distance - 4)
    weights = torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))
    inside = _inside(positions.round(), side)
    return torch.where(inside[:, None], weights / weights.sum(1, keepdim=True), 0.0)


class Zoom:
    """Enlarges (zoom > 1) or shrinks in a plane about the centre; the shape stays.

    Images by cubic convolution, maps by the nearest voxel.

    Args:
        zoom: the factor.
        plane: X and Y, or what else lies within a slice.
    """

    def __init__(self, zoom: float, plane: Plane = IN_PLANE) -> None:
        self.zoom, self.plane = zoom, plane

    def image(self, image: Tensor) -> Tensor:
        """See `Placing`."""
        matrices: list[Tensor | None] = [None] * 3
        for axis, positions in self._positions(image).items():
            matrices[axis] = cubic_matrix(positions)
        return separable(image, matrices)

    def map(self, values: Tensor, outside: float) -> Tensor:
        """See `Placing`."""
        for axis, positions in self._positions(values).items():
            nearest, side = positions.round(), len(positions)
            values = values.index_select(axis - 3, nearest.long().clamp(0, side - 1))
            beyond = ~_inside(nearest, side).view([-1 if a == axis else 1 for a in range(3)])
            values.masked_fill_(beyond, outside)
        return values

    def _positions(self, volume: Tensor) -> dict[int, Tensor]:
        sides = _sides(volume)
        return {axis: zoom_positions(sides[axis], self.zoom, volume.device) for axis in self.plane}


def _inside(positions: Tensor, side: int) -> Tensor:
    return (positions >= 0) & (positions <= side - 1)
