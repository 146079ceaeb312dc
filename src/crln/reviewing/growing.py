"""Structures that grow from a few strokes to where the scan changes.

Every voxel takes the class of the stroke from which the way is the shortest; a step of the way
costs what the scan changes by, and a little for its length (geodesic distance, as in Criminisi,
Sharp and Blake, GeoS, ECCV 2008). The ways are found by Dijkstra's algorithm. A large box is first
grown in coarser voxels; then only what lies near the borders that were found there is grown again.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from crln.errors import CrlnError

_MOST = 500_000
"""Voxels that are grown at once; more begin with coarser ones."""
_LENGTH = 0.01
"""What a step of the finest side costs where nothing changes; 1 is the contrast of the box."""
_CONTRAST = (2, 98)
"""Percentiles of the box that are one contrast apart."""
_SAMPLE = 1_000_000
_BLUR = 0.7
"""Standard deviation, in finest sides, of the Gaussian that takes noise away."""
_NEAR = 5
"""Voxels across of the neighbourhood in which a coarser result has to be of one class to stay."""
_MARGIN = 0.5
"""How far around the strokes something of theirs may reach, as a share of their longest side."""
_LEAST_MARGIN = 10.0
"""The same in millimetres, at least."""

Box = tuple[slice, slice, slice]


def box_of(seeds: np.ndarray, spacing: Sequence[float]) -> Box:
    """The box in which strokes may grow.

    Args:
        seeds: (X, Y, Z) bool, the strokes.
        spacing: millimetres.
    """
    held = [
        np.flatnonzero(seeds.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)
    ]
    sides = [(at[-1] - at[0] + 1) * side for at, side in zip(held, spacing, strict=True)]
    reach = max(_MARGIN * max(sides), _LEAST_MARGIN)
    x, y, z = (
        slice(max(0, int(at[0] - far)), min(total, int(at[-1] + far) + 1))
        for at, far, total in zip(
            held, np.ceil(reach / np.array(spacing)), seeds.shape, strict=True
        )
    )
    return x, y, z


def grow(
    scan: np.ndarray, numbers: np.ndarray, spacing: Sequence[float], mark: int, unknown: int
) -> np.ndarray:
    """A drawing whose strokes have grown.

    Strokes of every class grow at once, and against the background: that is what is marked as such,
    and the faces of the box around all strokes that lie within the scan.

    Args:
        scan: (X, Y, Z), may be mapped from a file: only the box is read.
        numbers: (X, Y, Z), 0 where nothing is drawn.
        spacing: voxel size along each axis.
        mark: the number of what is marked as background.
        unknown: the number of what nobody knows, which stays.

    Returns:
        A new drawing without marks.

    Raises:
        CrlnError: no class is drawn, or nothing is background.

    Examples:
        >>> scan = np.zeros((9, 9, 9))
        >>> scan[3:6, 3:6, 3:6] = 100
        >>> drawn = np.zeros(scan.shape, np.uint8)
        >>> drawn[4, 4, 4], drawn[0, 0, 0] = 1, 2
        >>> int((grow(scan, drawn, (1, 1, 1), mark=2, unknown=3) == 1).sum())
        27
    """
    strokes = (numbers != 0) & (numbers != unknown)
    if not (strokes & (numbers != mark)).any():
        raise CrlnError("no class is drawn; draw a stroke of each class")
    box = box_of(strokes, spacing)
    here = np.where(numbers[box] == unknown, 0, numbers[box])
    _mark_faces(here, box, numbers.shape, mark)
    if not (here == mark).any():
        raise CrlnError("nothing is background; mark some with 0")
    image = scan[box].astype(np.float32)
    low, high = np.percentile(image.ravel()[:: 1 + image.size // _SAMPLE], _CONTRAST)
    image = ndimage.gaussian_filter(
        image / max(float(high - low), 1e-6), _BLUR * min(spacing) / np.array(spacing)
    )
    grown = _flood(image, here, np.array(spacing, float))
    found = numbers.copy()
    open = (found[box] == 0) | (found[box] == mark)
    found[box][open] = np.where(grown == mark, 0, grown)[open]
    found[found == mark] = 0
    return found


def _mark_faces(here: np.ndarray, box: Box, shape: Sequence[int], mark: int) -> None:
    for axis, part in enumerate(box):
        faces = np.moveaxis(here, axis, 0)
        for at, within in ((0, part.start > 0), (-1, part.stop < shape[axis])):
            if within:
                faces[at][faces[at] == 0] = mark


def _flood(image: np.ndarray, seeds: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Every voxel's class; of seeds 0 is to be found."""
    if seeds.size <= _MOST:
        return _nearest(image, seeds, spacing)
    factors = np.where(spacing <= 1.5 * spacing.min(), 2, 1).tolist()
    coarse = _flood(_mean(image, factors), _joined(seeds, factors), spacing * factors)
    for axis, factor in enumerate(factors):
        coarse = np.repeat(coarse, factor, axis=axis)
    coarse = coarse[tuple(slice(side) for side in seeds.shape)]
    lost = (seeds != 0) & (seeds != coarse)  # a seed beside another's in one coarse voxel
    coarse[lost] = seeds[lost]
    highest, lowest = (f(coarse, _NEAR) for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    sure = np.where(highest == lowest, coarse, 0)
    return _nearest(image, np.where(seeds != 0, seeds, sure), spacing)


def _nearest(image: np.ndarray, seeds: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Of every open voxel, the class of the seed with the shortest way to it."""
    open = seeds == 0
    if not open.any():
        return seeds
    node = ndimage.binary_dilation(open)
    index = np.zeros(seeds.shape, np.int32)
    index[node] = np.arange(np.count_nonzero(node))
    ends, costs = [], []
    for axis in range(3):
        one = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        other = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        step = node[one] & node[other] & (open[one] | open[other])
        ends.append((index[one][step], index[other][step]))
        length = _LENGTH * spacing[axis] / spacing.min()
        costs.append(np.abs(image[one][step] - image[other][step]) + length)
    rows, columns = (np.concatenate(each) for each in zip(*ends, strict=True))
    size = np.count_nonzero(node)
    graph = sparse.csr_matrix((np.concatenate(costs), (rows, columns)), shape=(size, size))
    _, _, source = csgraph.dijkstra(
        graph, directed=False, indices=index[node & ~open], min_only=True, return_predecessors=True
    )
    found = seeds.copy()
    found[open] = seeds[node][source[open[node]]]
    return found


def _blocks(array: np.ndarray, factors: Sequence[int], mode: str) -> np.ndarray:
    """(X, Y, Z) -> (X / fx, fx, Y / fy, fy, Z / fz, fz), padded to whole blocks."""
    pad = [(0, -side % factor) for side, factor in zip(array.shape, factors, strict=True)]
    padded = np.pad(array, pad, mode=mode)  # type: ignore[call-overload]
    shape = [n for side, f in zip(padded.shape, factors, strict=True) for n in (side // f, f)]
    found: np.ndarray = padded.reshape(shape)
    return found


def _mean(array: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    found: np.ndarray = _blocks(array, factors, "edge").mean(axis=(1, 3, 5))
    return found


def _joined(seeds: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """Seeds in coarser voxels; where several fall together one of them stands."""
    found: np.ndarray = _blocks(seeds, factors, "constant").max(axis=(1, 3, 5))
    return found
