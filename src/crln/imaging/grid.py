"""Where voxels lie: the grid of a scan, and the scan on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np

from crln.errors import CrlnError

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
T = TypeVar("T")

# From ten nanometres to ten centimetres: beyond, a header is wrong (metres for millimetres, say).
_SMALLEST, _LARGEST = 1e-5, 1e2
# Corners of the two grids may lie this share of a voxel apart: headers are rounded to float32.
_TOLERANCE = 0.1
MOST_CHANNELS = 32
"""Of one file."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid that voxels lie on.

    Attributes:
        shape: (X, Y, Z).
        affine: (4, 4), voxel index to millimetres in RAS+ world coordinates; None where the file
            does not know, as a research archive (h5).
        other: another affine that the same header states, where it disagrees with itself: files
            that lie there lie on this grid, too.

    Examples:
        >>> grid = Grid((4, 5, 6), np.diag([-1.0, 1.0, 2.0, 1.0]))
        >>> grid.spacing
        (1.0, 1.0, 2.0)
        >>> grid.known
        True
    """

    shape: Shape
    affine: np.ndarray | None = None
    other: np.ndarray | None = None

    @property
    def known(self) -> bool:
        """Whether it is known where in the patient the voxels lie, and how large they are."""
        return self.affine is not None

    @property
    def to_world(self) -> np.ndarray:
        """The affine; where nobody knows it, voxels of 1 mm along the axes, as `spacing` has it."""
        return np.eye(4) if self.affine is None else self.affine

    @property
    def spacing(self) -> Spacing:
        """Voxel size along X, Y and Z in millimetres; 1 where nobody knows."""
        x, y, z = np.linalg.norm(self.to_world[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def straight(self) -> bool:
        """Whether the axes are perpendicular to each other, as programs of ITK want them."""
        return perpendicular(self.to_world)

    @cached_property
    def turn(self) -> tuple[tuple[int, int], ...]:
        """Of each axis, the axis of RAS that it is closest to and its direction there (1, -1).

        An unknown grid is not turned.
        """
        if self.affine is None:
            return (0, 1), (1, 1), (2, 1)
        from nibabel.orientations import io_orientation

        return tuple((int(axis), int(flip)) for axis, flip in io_orientation(self.affine))

    def same_axes(self, other: "Grid") -> bool:
        """Whether axes have the same order and direction, or one of the grids is unknown."""
        return not (self.known and other.known) or self.turn == other.turn

    def to_ras(self, array: np.ndarray) -> np.ndarray:
        """An array (..., X, Y, Z) on the grid -> its axes in the order and direction of RAS.

        No voxel is moved in memory: the result is a view.
        """
        lead = array.ndim - 3
        order = np.argsort([axis for axis, _ in self.turn]).tolist()
        return self._flipped(array).transpose(*range(lead), *(lead + axis for axis in order))

    def from_ras(self, array: np.ndarray) -> np.ndarray:
        """The way back from `to_ras`, a view too."""
        lead = array.ndim - 3
        return self._flipped(array.transpose(*range(lead), *(lead + axis for axis, _ in self.turn)))

    def in_ras(self, values: tuple[T, T, T]) -> tuple[T, T, T]:
        """One value an axis, such as `shape` or `spacing` -> in the order of RAS."""
        x, y, z = np.argsort([axis for axis, _ in self.turn])
        return values[x], values[y], values[z]

    def _flipped(self, array: np.ndarray) -> np.ndarray:
        lead = array.ndim - 3
        return np.flip(array, tuple(lead + i for i, (_, flip) in enumerate(self.turn) if flip < 0))


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and their place in the patient.

    Attributes:
        array: (C, X, Y, Z); float32 for an image, an integer type for a label (C = 1).
        grid: that the voxels lie on.

    Raises:
        ValueError: the array is not of the grid's shape.

    Examples:
        >>> volume = Volume(np.zeros((1, 4, 5, 6), np.float32), Grid((4, 5, 6), np.eye(4)))
    """

    array: np.ndarray
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape[1:] != self.grid.shape:
            raise ValueError(f"voxels of {self.array.shape[1:]} on a grid of {self.grid.shape}")


def spatial_shape(path: Path, shape: tuple[int, ...], *, channels: int = 1) -> Shape:
    """The (X, Y, Z) of a file whose array may have further axes of length 1.

    Args:
        path: the file, for the error.
        shape: of its array.
        channels: how many values a voxel may have, along the fourth axis or a later one.

    Raises:
        CrlnError: the array is not of three dimensions, has no voxel, or too many values a voxel.
    """
    if len(shape) < 3 or (channels == 1 and prod(shape[3:]) > 1):
        raise CrlnError(
            f"{path}: {len(shape)}D of shape {tuple(shape)} where 3D is due; "
            "give one 3D file per channel"
        )
    if prod(shape[3:]) > channels:
        raise CrlnError(
            f"{path}: holds {prod(shape[3:])} volumes, as a series over time does; give the one to "
            f"learn from, or up to {channels} channels"
        )
    if min(shape) <= 0:
        raise CrlnError(f"{path}: has no voxel (shape {tuple(shape)}); export it again")
    x, y, z = (int(side) for side in shape[:3])
    return x, y, z


def check_grid(path: Path, grid: Grid) -> Grid:
    """Refuses a grid that no scan can have.

    Raises:
        CrlnError: a voxel size is zero, absurd or not a number, or two axes are parallel.
    """
    if grid.affine is None:
        return grid
    spacing = grid.spacing
    if not all(_SMALLEST <= side <= _LARGEST for side in spacing):
        raise CrlnError(
            f"{path}: voxel size of {shown(spacing)} mm is absurd; correct the file's header"
        )
    directions = grid.affine[:3, :3] / spacing
    if not np.isfinite(grid.affine).all() or abs(np.linalg.det(directions)) < 1e-3:
        raise CrlnError(f"{path}: its affine is singular; correct the file's header")
    return grid


def perpendicular(affine: np.ndarray) -> bool:
    """Whether the axes of an affine are perpendicular, to ITK's own tolerance."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.allclose(axes @ axes.T, np.eye(3), rtol=0, atol=1e-4))


def apart(shape: Shape, one: np.ndarray, other: np.ndarray) -> float:
    """How far two affines place the corners of a grid from each other, at most, in mm."""
    corners = np.array(list(product(*((0, side - 1) for side in shape), (1,))))
    return float(np.abs(corners @ (one - other).T).max())


def shown(sizes: Iterable[float]) -> str:
    """Sizes for a person."""
    return " x ".join(f"{size:.3g}" for size in sizes)


def check_same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Refuses two files whose voxels do not lie on each other.

    Where one of the two does not know where it lies, the shapes alone are compared.

    Raises:
        CrlnError: the shapes differ, or the affines place a corner a tenth of a voxel apart.
    """
    if grid.shape != other.shape:
        raise CrlnError(
            f"{other_path}: shape {other.shape}, but {path} has {grid.shape}; "
            "give files on one grid"
        )
    if grid.affine is None or other.affine is None:
        return
    far = min(
        apart(grid.shape, one, another)
        for one, another in ((grid.affine, other.affine), (grid.other, other.other))
        if one is not None and another is not None
    )
    if not far <= _TOLERANCE * min(grid.spacing):
        raise CrlnError(
            f"{other_path}: its affine places it up to {far:.3g} mm away from {path}; "
            "give files on one grid"
        )
