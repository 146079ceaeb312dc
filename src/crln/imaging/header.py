"""The grid of a scan: what can be known of it without its voxels."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging.volume import Volume

# From a micrometre to ten centimetres: beyond, a header is wrong (metres for millimetres, say).
_SMALLEST, _LARGEST = 1e-3, 1e2
# Corners of the two grids may lie this share of a voxel apart: headers are rounded to float32.
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Header:
    """The grid that a file's voxels lie on.

    Attributes:
        shape: (X, Y, Z).
        affine: (4, 4), voxel index to millimetres in RAS+ world coordinates.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along X, Y and Z in millimetres."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def spatial_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The (X, Y, Z) of a file whose array may have further axes of length 1.

    Raises:
        CrlnError: the array is not of three dimensions, or has no voxel.
    """
    if len(shape) < 3 or any(side != 1 for side in shape[3:]):
        raise CrlnError(
            f"{path}: {len(shape)}D of shape {tuple(shape)} where 3D is due; "
            "give one 3D file per channel"
        )
    if 0 in shape:
        raise CrlnError(f"{path}: has no voxel (shape {tuple(shape)}); export it again")
    x, y, z = (int(side) for side in shape[:3])
    return x, y, z


def check_grid(path: Path, header: Header) -> Header:
    """Refuses a grid that no scan can have.

    Raises:
        CrlnError: a voxel size is zero, absurd or not a number, or two axes are parallel.
    """
    spacing = header.spacing
    if not all(_SMALLEST <= side <= _LARGEST for side in spacing):
        shown = " x ".join(f"{side:.3g}" for side in spacing)
        raise CrlnError(f"{path}: voxel size of {shown} mm is absurd; correct the file's header")
    directions = header.affine[:3, :3] / spacing
    if not np.isfinite(header.affine).all() or abs(np.linalg.det(directions)) < 1e-3:
        raise CrlnError(f"{path}: its affine is singular; correct the file's header")
    return header


def check_same_grid(
    image_path: Path, image: Volume | Header, label_path: Path, label: Volume | Header
) -> None:
    """Refuses two files whose voxels do not lie on each other.

    An h5 archive holds no affine; with one among the two, the shapes alone are compared.

    Raises:
        CrlnError: the shapes differ, or the affines place a corner a tenth of a voxel apart.
    """
    if image.shape != label.shape:
        raise CrlnError(
            f"{label_path}: shape {label.shape}, but {image_path} has {image.shape}; "
            "give files on one grid"
        )
    if ".h5" in (image_path.suffix, label_path.suffix):
        return
    corners = np.array(list(product(*((0, side - 1) for side in image.shape), (1,))))
    apart = np.abs(corners @ (image.affine - label.affine).T).max()
    if not apart <= _TOLERANCE * min(image.spacing):
        raise CrlnError(
            f"{label_path}: its affine places it up to {apart:.3g} mm away from {image_path}; "
            "give files on one grid"
        )
