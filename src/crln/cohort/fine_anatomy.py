"""Draws one phantom scan of fine structures: a tree of vessels and a folded sheet.

Vessels branch down to a diameter of one and a half voxels, and the sheet is about as thin: most of
their voxels are edge. Blobs of the same intensity lie between. Distances are in voxels.
"""

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import expit

from crln.cohort.anatomy import ORGAN, SCALE, TISSUE, Phantom, smooth_field

CLASSES = {0: "background", 1: "vessels", 2: "sheet"}

EDGE = 0.3
"""Softness of edges, in voxels."""

THINNEST, THICKEST = 0.75, 3.2
"""Radius of the last twigs and of the trunk, in voxels."""


def draw_fine_phantom(shape: tuple[int, int, int], rng: np.random.Generator) -> Phantom:
    """Draws one case.

    Args:
        shape: voxels along X, Y and Z; 24 or more.
        rng: decides everything.
    """
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).astype(np.float64)
    sheet, height = _sheet(points, rng)
    above = np.maximum(height + 1 - points[2], 2.5 - sheet)  # the tree ends above the sheet
    tree = np.maximum(_tree(points, rng), above)
    classes = np.minimum(tree, sheet)
    structures = np.minimum(classes, _blobs(points, rng, classes))
    image = TISSUE + smooth_field(shape, rng, 2.0, 0.03)
    image += expit(-structures / EDGE) * (ORGAN - TISSUE)
    image *= np.exp(smooth_field(shape, rng, min(shape) / 4, 0.12))  # bias field
    image += rng.normal(0, 0.05, shape)
    label = np.where(tree < 0, 1, np.where(sheet < 0, 2, 0)).astype(np.uint8)
    return Phantom((SCALE * image).astype(np.int16), label)


def _tree(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distance to a tree of tubes that grows from the middle of the top downwards."""
    shape = np.array(points.shape[1:])
    distance = np.full(points.shape[1:], np.inf)
    root = shape * [*rng.uniform(0.35, 0.65, 2), 1.0]
    heading = np.array([*rng.uniform(-0.3, 0.3, 2), -1.0])
    tips = [(root, heading / np.linalg.norm(heading), THICKEST)]
    while tips:
        start, heading, radius = tips.pop()
        end = start + heading * rng.uniform(0.16, 0.26) * shape.min()
        _add_tube(distance, points, start, end, radius)
        if radius <= THINNEST:
            continue
        # Murray's law: the cubes of the twigs' radii sum to that of the branch.
        share = rng.uniform(0.3, 0.7)
        across = np.cross(heading, rng.normal(size=3))
        across /= np.linalg.norm(across)
        for part, side in ((share, 1), (1 - share, -1)):
            turn = Rotation.from_rotvec(side * rng.uniform(0.35, 0.8) * across)
            tips.append((end, turn.apply(heading), max(radius * part ** (1 / 3) * 0.9, THINNEST)))
    return distance


def _add_tube(
    distance: np.ndarray, points: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float
) -> None:
    """Lowers `distance` to that of a tube with round ends, near the tube."""
    margin = radius + 6
    low = np.maximum(np.floor(np.minimum(start, end) - margin), 0).astype(int)
    high = np.maximum(np.ceil(np.maximum(start, end) + margin), 0).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    from_start = points[(slice(None), *box)] - start[:, None, None, None]
    axis = end - start
    along = np.clip(np.tensordot(axis, from_start, 1) / (axis @ axis), 0, 1)
    to_tube = np.linalg.norm(from_start - axis[:, None, None, None] * along, axis=0) - radius
    np.minimum(distance[box], to_tube, out=distance[box])


def _sheet(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a folded sheet near the bottom, a disc from above; how high its middle lies."""
    x, y, z = points
    size = np.array(points.shape[1:])
    height = np.full(x.shape, size[2] * rng.uniform(0.16, 0.24))
    slope = np.ones(x.shape)
    turn = rng.uniform(0, np.pi)
    for angle, depth in ((turn, 2.4), (turn + np.pi / 2 + rng.uniform(-0.3, 0.3), 1.4)):
        along = np.cos(angle) * x + np.sin(angle) * y
        pace, start = 2 * np.pi / rng.uniform(9, 13), rng.uniform(0, 2 * np.pi)
        height += depth * np.sin(pace * along + start)
        slope += (depth * pace * np.cos(pace * along + start)) ** 2
    thickness = np.abs(z - height) / np.sqrt(slope) - rng.uniform(1.0, 1.3)
    middle = size[:2] * rng.uniform(0.4, 0.6, 2)
    rim = np.hypot(x - middle[0], y - middle[1]) - size[:2].min() * rng.uniform(0.33, 0.42)
    return np.maximum(thickness, rim), height


def _blobs(points: np.ndarray, rng: np.random.Generator, structures: np.ndarray) -> np.ndarray:
    """Distance to balls of the structures' intensity that keep clear of them."""
    distance = np.full(structures.shape, np.inf)
    places = np.argwhere(structures > 5)
    for place in places[rng.integers(0, len(places), 6)] if len(places) else ():
        ball = np.linalg.norm(points - place[:, None, None, None], axis=0) - rng.uniform(1.5, 3)
        distance = np.minimum(distance, ball)
    return distance
