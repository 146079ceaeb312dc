"""Draws one phantom scan: a heart-like organ among neighbours that look like it.

Class 1 is a chamber, class 2 the muscle around it. A second chamber and a vessel are as bright as
the first, an organ beside the muscle is as grey as the muscle: position and form tell them apart,
not intensity. Each structure is an implicit function of warped coordinates, a distance in units of
half the field of view, negative inside.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation
from scipy.special import expit

CLASSES = {0: "background", 1: "chamber", 2: "muscle"}

_EDGE = 0.02  # softness of an edge: half a voxel of a scan of 48 voxels
_WAVES = 4  # per axis, of a smooth field: half a wave is never shorter than a third of the scan
_WARP = 0.085  # standard deviation of the warp
_BIAS = 0.18  # standard deviation of the logarithm of the bias field
_SCALE = 1000  # of the stored integers


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
    axes = [np.linspace(-1, 1, side, dtype=np.float32) for side in shape]
    straight = np.stack(np.meshgrid(*axes, indexing="ij"))  # (3, X, Y, Z)
    warp = np.stack([_smooth_field(shape, rng) for _ in range(3)])
    grid = straight + np.float32(_WARP) * warp
    turn = Rotation.from_euler("xyz", rng.normal(0, (20, 20, 35)), degrees=True)
    heart_grid = _moved(grid, rng.uniform(-0.18, 0.18, 3), turn) / rng.uniform(0.8, 1.2)

    body = _ellipsoid(straight, (0, 0, 0), rng.uniform((0.88, 0.75, 1.4), (1.0, 0.92, 2.0)))
    chamber = np.maximum(_chamber(heart_grid, rng), body)
    thickness = rng.uniform(0.15, 0.24) * (1 + 0.35 * _smooth_field(shape, rng))
    opening = heart_grid[2] - rng.uniform(0.15, 0.4)  # the base, where no muscle covers it
    muscle = np.maximum.reduce([chamber - thickness, opening, body])
    second, vessel, organ = _neighbours(heart_grid, rng)
    lungs = [
        _ellipsoid(grid, (side * 0.75, rng.uniform(-0.2, 0.3), 0.1), rng.uniform(0.2, 0.55, 3))
        for side in (-1, 1)
    ]

    tissue, air = rng.uniform(0.14, 0.24), rng.uniform(0.03, 0.07)
    grey, bright = rng.uniform(0.46, 0.54), rng.uniform(0.82, 0.95)
    layers = [(body, tissue), (lungs[0], air), (lungs[1], air), (organ, grey), (vessel, bright)]
    layers += [(second, bright), (muscle, grey), (chamber, bright)]
    image = np.zeros(shape, np.float32)
    for inside, intensity in layers:  # the later hides the earlier; nothing reaches out of the body
        image += expit(-np.maximum(inside, body) / _EDGE) * (intensity - image)
    label = np.where(chamber < 0, 1, np.where(muscle < 0, 2, 0)).astype(np.uint8)
    return Phantom(_acquired(image, rng), label)


def _chamber(grid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A long ellipsoid with an appendage at its base."""
    main = _ellipsoid(grid, (0, 0, 0), rng.uniform((0.26, 0.26, 0.42), (0.42, 0.38, 0.62)))
    angle = rng.uniform(-np.pi, np.pi)
    at = (0.27 * np.cos(angle), 0.27 * np.sin(angle), rng.uniform(0.1, 0.35))
    return _blend(main, _ellipsoid(grid, at, rng.uniform(0.1, 0.24, 3)))


def _neighbours(
    grid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A second chamber, a vessel and an organ, each to another side of the heart."""
    angles = rng.uniform(-0.6, 0.6, 3) + rng.uniform(-np.pi, np.pi) + np.arange(3) * 2.1
    x, y = np.cos(angles), np.sin(angles)
    reach = rng.uniform(0.48, 0.62, 2)
    second = _ellipsoid(
        grid, (reach[0] * x[0], reach[0] * y[0], rng.uniform(-0.1, 0.4)),
        rng.uniform((0.24, 0.24, 0.35), (0.38, 0.38, 0.6)),
    )  # fmt: skip
    bend = 0.12 * np.sin(3 * grid[2] + rng.uniform(0, 6))
    vessel = np.hypot(grid[0] - 0.55 * x[1] - bend, grid[1] - 0.55 * y[1] + bend)
    organ = _ellipsoid(
        grid, (reach[1] * x[2], reach[1] * y[2], rng.uniform(-0.6, -0.1)),
        rng.uniform((0.3, 0.3, 0.4), (0.5, 0.5, 0.7)),
    )  # fmt: skip
    return second, vessel - rng.uniform(0.13, 0.2), organ


def _acquired(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the scanner makes of it: texture, blur, bias field, noise, whole numbers."""
    texture = ndimage.gaussian_filter(rng.normal(0, 0.25, image.shape), 1.5)
    image = ndimage.gaussian_filter(image * (1 + texture), rng.uniform(0.3, 0.7))
    image = image * np.exp(_BIAS * _smooth_field(image.shape, rng))
    image = image + rng.normal(0, rng.uniform(0.03, 0.06), image.shape)
    return np.rint(_SCALE * image).astype(np.int16)


def _smooth_field(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """(X, Y, Z) float32 of zero mean and about unit variance: a random cosine series."""
    order = np.arange(_WAVES)
    damping = 1 + order[:, None, None] + order[:, None] + order
    coefficients = rng.normal(0, 1, damping.shape) / damping
    coefficients[0, 0, 0] = 0  # the mean
    coefficients /= np.sqrt((coefficients**2).sum() / 4)  # a product of cosines: 1/8 to 1/2
    waves = [np.cos(np.pi * np.outer(order, (np.arange(side) + 0.5) / side)) for side in shape]
    return np.einsum("abc,ax,by,cz->xyz", coefficients, *waves, optimize=True).astype(np.float32)


def _moved(grid: np.ndarray, centre: np.ndarray, turn: Rotation) -> np.ndarray:
    """Coordinates as seen from `centre`, turned."""
    offset = grid - np.reshape(centre, (3, 1, 1, 1)).astype(np.float32)
    return np.tensordot(turn.as_matrix().astype(np.float32), offset, 1)


def _ellipsoid(grid: np.ndarray, centre: tuple[float, ...], radii: np.ndarray) -> np.ndarray:
    """About the distance to an ellipsoid: its implicit function over the length of its gradient."""
    radii = np.reshape(radii, (3, 1, 1, 1)).astype(np.float32)
    scaled = (grid - np.reshape(centre, (3, 1, 1, 1)).astype(np.float32)) / radii
    length = np.linalg.norm(scaled, axis=0)
    slope = np.linalg.norm(scaled / radii, axis=0)
    return length * (length - 1) / np.maximum(slope, 1e-6)


def _blend(a: np.ndarray, b: np.ndarray, width: float = 0.08) -> np.ndarray:
    """Union of two bodies, the crease between them rounded over `width`."""
    return -width * np.logaddexp(-a / width, -b / width)
