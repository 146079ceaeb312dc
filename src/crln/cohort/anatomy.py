"""Draws one phantom scan: a bent organ in two parts, among neighbours that look like it.

A vessel, blobs and a second, shorter bend are as bright as the organ: place and form tell them
apart, not intensity. Pose and shape vary so much that a few labels do not show what can happen.
Each structure is a distance in units of half the field of view, negative inside.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation
from scipy.special import expit

CLASSES = {0: "background", 1: "head", 2: "tail"}

TISSUE, ORGAN = 0.35, 0.62
"""Intensity of tissue, and of the organ and its neighbours."""

EDGE = 0.035
"""Softness of edges: half a voxel of a scan of 32."""

SCALE = 1000
"""Of the stored integers."""


@dataclass(frozen=True)
class Phantom:
    """One drawn case.

    Attributes:
        image: (X, Y, Z) int16.
        label: (X, Y, Z) uint8, the keys of `CLASSES`.
    """

    image: np.ndarray
    label: np.ndarray


def draw_phantom(shape: tuple[int, int, int], rng: np.random.Generator) -> Phantom:
    """Draws one case.

    Args:
        shape: voxels along X, Y and Z.
        rng: decides everything.
    """
    points = _deformed_grid(shape, rng)
    organ, part = _bent_organ(points, rng)
    inside = expit(-np.minimum(organ, _neighbours(points, rng)) / EDGE)
    body = expit((1.05 - np.linalg.norm(points, axis=0)) / EDGE)
    image = body * (TISSUE + smooth_field(shape, rng, 2.0, 0.04)) + inside * (ORGAN - TISSUE)
    image *= np.exp(smooth_field(shape, rng, min(shape) / 4, 0.18))  # bias field
    image += rng.normal(0, 0.07, shape)
    label = np.where(organ < 0, 1 + part, 0).astype(np.uint8)
    return Phantom((SCALE * image).astype(np.int16), label)


def _deformed_grid(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """(3, X, Y, Z) coordinates in about -1..1, turned, scaled, moved and bent at random."""
    axes = [np.linspace(-1, 1, side) for side in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    turn = Rotation.from_euler("xyz", rng.uniform(-0.4, 0.4, 3)).as_matrix()
    moved = np.tensordot(turn * rng.uniform(0.8, 1.2, 3), grid, 1)
    moved += rng.uniform(-0.15, 0.15, 3)[:, None, None, None]
    return moved + np.stack([smooth_field(shape, rng, min(shape) / 6, 0.09) for _ in range(3)])


def smooth_field(
    shape: tuple[int, int, int], rng: np.random.Generator, scale: float, size: float
) -> np.ndarray:
    """A random field of standard deviation `size` that varies over about `scale` voxels."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), scale)
    result: np.ndarray = field * (size / field.std())
    return result


def _bent_organ(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a bent tube that swells towards its head, and which half a voxel is in."""
    x, y, z = points
    start, extent = rng.uniform(-0.3, 0.3), rng.uniform(2.2, 3.0)
    along = np.clip((np.arctan2(y, x) - start) / extent, 0, 1)
    angle, radius = start + along * extent, rng.uniform(0.42, 0.55)
    across = np.sqrt((x - radius * np.cos(angle)) ** 2 + (y - radius * np.sin(angle)) ** 2 + z**2)
    swelling = rng.uniform(0.05, 0.1) * np.cos(np.pi * along) + rng.uniform(0.17, 0.2)
    return across - swelling, (along > 0.5).astype(np.uint8)


def _neighbours(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distance to what looks like the organ: a vessel, a shorter bend beside it, blobs."""
    x, y, z = points
    vessel = np.hypot(x - rng.uniform(-0.2, 0.2), y + 0.75) - 0.13
    bend = np.hypot(np.hypot(x + 0.1, y + 0.1) - 0.3, z - 0.62) - 0.12
    distance = np.minimum(vessel, np.where(y < 0.1, bend, 1.0))
    for _ in range(4):
        centre = rng.uniform(-0.9, 0.9, 3)
        centre[2] = np.copysign(max(abs(centre[2]), 0.5), centre[2])  # above or below the organ
        blob = np.linalg.norm(points - centre[:, None, None, None], axis=0)
        distance = np.minimum(distance, blob - rng.uniform(0.12, 0.22))
    return distance
