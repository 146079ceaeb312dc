"""What an outline is like: size, extent, surface, pieces, and what lies beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cc3d
import numpy as np

from crln.evaluation.measures import bounding_box
from crln.labels import LabelSpace

SPECK = 0.02
"""Pieces of a smaller share of a structure's voxels count neither for its extent nor as at the edge
of the scan: networks leave such specks, which harm little."""


@dataclass(frozen=True)
class Shape:
    """One structure of one scan, along the axes of RAS; it has a voxel at least.

    Attributes:
        volume: in mm^3, or in voxels where their size is not known.
        extent: in mm along X, Y, Z, of the box around it, without specks.
        surface: in mm^2, of the faces of its voxels.
        largest: share of its voxels in its largest piece.
        pieces: that hang together by faces, edges or corners.
        border: whether it touches the edge of the scan, along an axis of more than one voxel, by
            more than specks.
        centre: in mm along X, Y, Z.
        beside: of each other structure, by its name, the share of the faces that it lies behind.
    """

    volume: float
    extent: tuple[float, float, float]
    surface: float
    largest: float
    pieces: int
    border: bool
    centre: tuple[float, float, float]
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def compactness(self) -> float:
        """(36 pi V^2)^(1/3) / A: that of a ball of smooth surface is 1, of voxels about 2/3."""
        return (36 * math.pi * self.volume**2) ** (1 / 3) / self.surface


def shapes_of(
    classes: np.ndarray, labels: LabelSpace, spacing: Sequence[float]
) -> dict[str, Shape | None]:
    """Each structure's shape, by its name; None where it has no voxel.

    Args:
        classes: (X, Y, Z), axes of RAS: 0..K-1, or combinations.
        labels: what they are of.
        spacing: mm of a voxel along the same axes.

    Examples:
        >>> cube = np.zeros((6, 6, 6), np.int8)
        >>> cube[1:3, 1:3, 1:3] = 1
        >>> found = shapes_of(cube, LabelSpace(), (1, 1, 2))["foreground"]
        >>> found.volume, found.extent, found.surface, found.border
        (16.0, (2.0, 2.0, 4.0), 40.0, False)
    """
    box = bounding_box(classes > 0)
    if box is None:
        return dict.fromkeys(labels.names[1:])
    # Of a large scan only the part with structures, and a voxel around it, which is missing at the
    # edge of the scan alone.
    around = tuple(slice(max(run.start - 1, 0), run.stop + 1) for run in box)
    near, size = classes[around], np.asarray(spacing, float)
    first = np.array([run.start for run in around])
    return {name: _shape(near, labels, k, size, first) for k, name in enumerate(labels.names) if k}


def _shape(
    classes: np.ndarray, labels: LabelSpace, k: int, spacing: np.ndarray, first: np.ndarray
) -> Shape | None:
    inside = labels.holds(classes, k)
    box = bounding_box(inside)
    if box is None:
        return None
    part = inside[box]
    pieces, number = cc3d.connected_components(part, connectivity=26, return_N=True)
    sizes = np.bincount(pieces.ravel())[1:]
    solid = box
    if (specks := sizes < min(SPECK * sizes.sum(), sizes.max())).any():
        within = bounding_box(np.concatenate([[False], ~specks])[pieces])
        assert within
        x, y, z = (
            slice(run.start + part.start, run.start + part.stop)
            for run, part in zip(box, within, strict=True)
        )
        solid = x, y, z
    surface, beside = _faces(classes, labels, k, box, spacing)
    corner = first + [run.start for run in box]
    centre = (np.mean(np.nonzero(part), 1) + corner + 0.5) * spacing
    extent = np.array([run.stop - run.start for run in solid]) * spacing
    return Shape(
        volume=float(sizes.sum() * math.prod(spacing)),
        extent=tuple(extent.tolist()),
        surface=surface,
        largest=float(sizes.max() / sizes.sum()),
        pieces=int(number),
        border=any(
            run.start == 0 or run.stop == length
            for run, length in zip(solid, classes.shape, strict=True)
            if length > 1
        ),
        centre=tuple(centre.tolist()),
        beside=beside,
    )


def _faces(
    classes: np.ndarray, labels: LabelSpace, k: int, box: tuple[slice, ...], spacing: np.ndarray
) -> tuple[float, dict[str, float]]:
    """The area of a structure's faces, and the share of it that each other one lies behind."""
    around = tuple(slice(max(run.start - 1, 0), run.stop + 1) for run in box)
    near = classes[around]
    inside = labels.holds(near, k)
    area, behind = 0.0, dict.fromkeys(labels.names[1:], 0.0)
    del behind[labels.names[k]]
    for axis in range(3):
        face = math.prod(spacing) / spacing[axis]
        first, second = (np.moveaxis(near, axis, 0)[part] for part in (slice(-1), slice(1, None)))
        one, other = (np.moveaxis(inside, axis, 0)[part] for part in (slice(-1), slice(1, None)))
        outside = np.concatenate([second[one & ~other], first[other & ~one]])
        at_edge = sum(
            np.count_nonzero(np.take(inside, end, axis))
            for end, touches in (
                (0, box[axis].start == 0), (-1, box[axis].stop == classes.shape[axis])
            )
            if touches
        )  # fmt: skip
        area += face * (len(outside) + at_edge)
        for name in behind:
            held = labels.holds(outside, labels.names.index(name))
            behind[name] += face * np.count_nonzero(held)
    return float(area), {name: float(share / area) for name, share in behind.items()}
