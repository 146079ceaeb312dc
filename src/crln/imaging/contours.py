"""Contours in planes, filled to voxels: a voxel is inside where its centre is, or on the line.

Contours of one plane are combined by exclusive or: one within another is a hole, as is the inner
part of a keyhole. A slice between two planes has the shape between theirs, and the last plane
reaches half way to where the next would be. Where the next plane lies more than 1.5 times as far
away as planes usually do, nothing is filled in between. Planes that are oblique to the grid each
stand for the slab around them.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from crln.imaging.grid import Shape

ROUNDED = 2
"""Decimals of a voxel: contours that pass through voxels' centres are not drawn more exactly."""

_BREAK = 1.5
_FLAT = 0.1
"""Voxels that the points of a contour may lie off a plane of voxels and still lie in it."""
_PARALLEL = 0.999


def fill(contours: Sequence[np.ndarray], shape: Shape, *, between: bool = True) -> np.ndarray:
    """The voxels within some contours of one structure, (X, Y, Z) bool.

    Args:
        contours: each (n, 3), in voxels of the grid; each in a plane, of any direction.
        shape: of the grid; what lies outside is cut off.
        between: fill slices of the grid between those that have a contour, too.

    Examples:
        >>> square = np.array([[1, 1, 2], [1, 3, 2], [3, 3, 2], [3, 1, 2]])
        >>> fill([square], (5, 5, 5)).sum(axis=(0, 1)).tolist()
        [0, 0, 9, 0, 0]
    """
    mask = np.zeros(shape, bool)
    different = {c.tobytes(): c for c in (np.round(c, ROUNDED) + 0.0 for c in contours)}
    oblique = []
    along: dict[int, list[np.ndarray]] = {}
    for contour in different.values():
        if len(contour) < 3:
            continue
        axis = int(np.argmin(np.ptp(contour, axis=0)))
        if np.ptp(contour[:, axis]) <= _FLAT:
            along.setdefault(axis, []).append(contour)
        else:
            oblique.append(contour)
    for axis, flat in along.items():
        _fill_slices(mask, flat, axis, between)
    for parallel, normal in _by_direction(oblique):
        _fill_slabs(mask, parallel, normal)
    return mask


def _fill_slices(
    mask: np.ndarray, contours: Sequence[np.ndarray], axis: int, between: bool
) -> None:
    """Those that lie in slices of the grid, or between them, along an axis."""
    from skimage.draw import polygon

    slices = np.moveaxis(mask, axis, 0)
    planes: dict[float, np.ndarray] = {}
    for contour in contours:
        depth = float(np.round(contour[:, axis].mean(), 1))
        points = np.delete(contour, axis, axis=1)
        inside = planes.setdefault(depth, np.zeros(slices.shape[1:], bool))
        inside[polygon(points[:, 0], points[:, 1], inside.shape)] ^= True
    depths = np.array(sorted(planes))
    usual = _usual(depths) if between else 1.0
    for z, target in enumerate(slices):
        nearest = depths[np.abs(depths - z).argmin()]
        below, above = depths[depths <= z][-1:], depths[depths > z][:1]
        if abs(nearest - z) <= _FLAT:
            target |= planes[nearest]
        elif between and len(below) and len(above) and above[0] - below[0] <= _BREAK * usual:
            share = (z - below[0]) / (above[0] - below[0])
            target |= _between(planes[below[0]], planes[above[0]], share)
        elif -usual / 2 <= z - nearest < usual / 2:
            target |= planes[nearest]


def _usual(depths: Sequence[float] | np.ndarray) -> float:
    """How far apart planes usually are: the lower median of the gaps; of a lone one, a voxel."""
    gaps = np.sort(np.diff(depths))
    return float(gaps[(len(gaps) - 1) // 2]) if len(gaps) > 1 else 1.0


def _between(below: np.ndarray, above: np.ndarray, share: float) -> np.ndarray:
    """The shape that is a share of the way from one plane's to the next one's.

    Distances to the outline, negative outside, are averaged (Raya and Udupa, Shape-based
    interpolation of multidimensional objects, IEEE TMI 1990). Shapes that have nothing in common
    are taken as they are, each for its half of the way.
    """
    from scipy.ndimage import distance_transform_edt

    if not (below & above).any():
        return below if share < 0.5 else above
    first, last = (distance_transform_edt(m) - distance_transform_edt(~m) for m in (below, above))
    return ((1 - share) * first + share * last) > 0


def _by_direction(
    contours: Sequence[np.ndarray],
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """Contours in parallel planes, and the normal of these."""
    groups: list[tuple[list[np.ndarray], np.ndarray]] = []
    for contour in contours:
        sizes, directions = np.linalg.svd(contour - contour.mean(0), full_matrices=False)[1:]
        if sizes[1] < _FLAT:  # a line encloses nothing
            continue
        normal = directions[2]
        group = next((g for g in groups if abs(g[1] @ normal) > _PARALLEL), None)
        if group:
            group[0].append(contour)
        else:
            groups.append(([contour], normal))
    yield from groups


def _fill_slabs(mask: np.ndarray, contours: Sequence[np.ndarray], normal: np.ndarray) -> None:
    """Those in parallel planes that are oblique to the grid."""
    from skimage.measure import points_in_poly

    across = np.linalg.svd(normal[None])[2][1:]  # two directions (2, 3) in the planes
    planes: dict[float, list[np.ndarray]] = {}
    for contour in contours:
        planes.setdefault(float(np.round(contour.mean(0) @ normal, 1)), []).append(contour)
    depths = sorted(planes)
    gaps, usual = np.diff(depths), _usual(depths)
    reach = [usual / 2, *np.where(gaps <= _BREAK * usual, gaps / 2, usual / 2), usual / 2]
    for k, plane in enumerate(depths):
        low, high, drawn = plane - reach[k], plane + reach[k + 1], planes[plane]
        points = np.concatenate(drawn)
        flat = points - (points @ normal)[:, None] * normal
        voxels = _box(np.concatenate([flat + low * normal, flat + high * normal]), mask.shape)
        depth = voxels @ normal
        voxels = voxels[(depth >= low) & (depth < high)]
        inside = np.zeros(len(voxels), bool)
        for contour in drawn:
            inside ^= points_in_poly(voxels @ across.T, contour @ across.T)
        mask[tuple(voxels[inside].T)] = True


def _box(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The voxels (n, 3) of the smallest box around some points, cut to the grid."""
    low = np.clip(np.floor(points.min(0)), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(0)) + 1, 0, shape).astype(int)
    return np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(-1, 3)
