"""What thin parts, folded surfaces and topology are like: figures that plain Dice hardly sees."""

import math
from collections.abc import Sequence

import cc3d
import numpy as np

THIN = 5.0
"""Parts thinner than so many of the finest voxel edges are thin."""


def centreline(mask: np.ndarray) -> np.ndarray:
    """The skeleton of a mask, (X, Y, Z) bool, by thinning (Lee et al., 1994)."""
    from skimage.morphology import skeletonize

    return np.asarray(skeletonize(mask, method="lee"), dtype=bool)


def centreline_dice(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Centreline Dice: whether tubes are found and joined, whatever their width.

    The harmonic mean of the share of the prediction's centreline that lies in the truth and of the
    truth's centreline that lies in the prediction (clDice, Shit et al., CVPR 2021, equation 2).

    Args:
        prediction: (X, Y, Z) bool.
        truth: (X, Y, Z) bool.

    Returns:
        0 to 1; 0 where one mask alone is empty, NaN where both are.

    Examples:
        >>> from scipy import ndimage
        >>> truth = np.zeros((9, 9, 20), bool)
        >>> truth[3:6, 3:6] = True
        >>> wide = ndimage.binary_dilation(truth)
        >>> centreline_dice(wide, truth)
        1.0
    """
    return _both_ways(centreline(prediction), truth, centreline(truth), prediction)


def thin_part(mask: np.ndarray, thickness: float, spacing: Sequence[float]) -> np.ndarray:
    """The voxels of a mask whose local thickness is less than `thickness`, (X, Y, Z) bool.

    Local thickness is the diameter of the largest ball that holds the voxel and lies within the
    mask (Hildebrand & Ruegsegger, 1997); a thick voxel is thus one that the morphological opening
    by a ball of that diameter keeps. Of a single slice it is that of the outline in plane.

    Args:
        mask: (X, Y, Z) bool.
        thickness: in the unit of `spacing`.
        spacing: voxel size along X, Y, Z.

    Examples:
        >>> mask = np.zeros((20, 20, 20), bool)
        >>> mask[2:12, 2:12, 2:12] = True  # a cube, and a rod that sticks out
        >>> mask[7, 7, 12:18] = True
        >>> int(thin_part(mask, 3, (1, 1, 1))[7, 7].sum())
        6
    """
    return thin_parts(mask, (thickness,), spacing)[0]


def thin_parts(
    mask: np.ndarray, thicknesses: Sequence[float], spacing: Sequence[float]
) -> list[np.ndarray]:
    """`thin_part` of several thicknesses; how deep each voxel lies is found once for all."""
    from scipy import ndimage  # only here: it takes a third of a start

    margin = [int(side > 1) for side in mask.shape]
    padded = np.pad(mask, [(wide, wide) for wide in margin])
    inner = tuple(slice(wide, wide + side) for wide, side in zip(margin, mask.shape, strict=True))
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)[inner]
    return [_shallow(mask, depth, thickness, spacing) for thickness in thicknesses]


def _shallow(
    mask: np.ndarray, depth: np.ndarray, thickness: float, spacing: Sequence[float]
) -> np.ndarray:
    """What no ball of a diameter reaches, of the mask; `depth` is that of each of its voxels."""
    from scipy import ndimage

    # A voxel centre on the rim is half an edge inside, and so may be the middle of what is even.
    centres = depth >= thickness / 2
    if not centres.any():
        return mask.copy()
    reach = ndimage.distance_transform_edt(~centres, sampling=spacing)
    # One voxel more, or every step and corner of a thick part's surface would be thin.
    return mask & (reach > thickness / 2 + min(spacing) / 2)


def thin_dice(
    prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], thin: float = THIN
) -> float:
    """Dice of the thin parts.

    The harmonic mean of the share of the truth's thin voxels that are found and of the
    prediction's thin voxels that are true.

    Args:
        prediction: (X, Y, Z) bool.
        truth: (X, Y, Z) bool.
        spacing: voxel size along X, Y, Z.
        thin: what is thin: thickness in edges of the finest voxel.

    Returns:
        0 to 1; NaN where the truth has no thin part.
    """
    under = thin * min(spacing)
    of_truth = thin_part(truth, under, spacing)
    if not of_truth.any():
        return math.nan
    return _both_ways(thin_part(prediction, under, spacing), truth, of_truth, prediction)


def _both_ways(
    ours: np.ndarray, truth: np.ndarray, theirs: np.ndarray, prediction: np.ndarray
) -> float:
    """Harmonic mean of how much of `ours` is true and how much of `theirs` is predicted."""
    counts = int(np.count_nonzero(ours)), int(np.count_nonzero(theirs))
    if not any(counts):
        return math.nan
    if not all(counts):
        return 0.0
    precision = np.count_nonzero(ours & truth) / counts[0]
    sensitivity = np.count_nonzero(theirs & prediction) / counts[1]
    both = precision + sensitivity
    return 2 * precision * sensitivity / both if both else 0.0


def curvature_spread(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """How far the mean curvature varies over the surface; NaN where there is none.

    The interquartile range of the mean curvature H = div(n) / 2 over the surface voxels, n the
    normals of the mask smoothed by a Gaussian of one and a half of the finest voxel edges (0.8 of a
    voxel at least), which takes the steps of the voxels away. A folded surface has a wide spread, a
    smooth one a narrow spread.

    Args:
        mask: (X, Y, Z) bool.
        spacing: voxel size along X, Y, Z.

    Returns:
        In 1 / the unit of `spacing`.
    """
    from scipy import ndimage

    edges = {a: spacing[a] for a in range(3) if mask.shape[a] > 1}
    finest = min(edges.values())
    sigma = [max(1.5 * finest / step, 0.8) for step in spacing]
    margin = 6
    field = np.pad(mask, margin).astype(np.float32)
    field = ndimage.gaussian_filter(field, sigma)
    # Across thick slices there is no curve to speak of: there it is that of the outlines in plane.
    axes = [a for a, edge in edges.items() if edge <= 2 * finest]
    slopes = {axis: np.gradient(field, spacing[axis], axis=axis) for axis in axes}
    length = np.sqrt(sum(slope**2 for slope in slopes.values())) + 1e-12
    bend = sum(np.gradient(-slopes[a] / length, spacing[a], axis=a) for a in axes) / 2
    centre = (slice(margin, -margin),) * 3
    inner = mask.copy()
    for axis in axes:
        line = np.ones([3 if a == axis else 1 for a in range(3)], bool)
        inner &= ndimage.binary_erosion(mask, line)
    found = np.asarray(bend)[centre][mask & ~inner]
    if not len(found):
        return math.nan
    low, high = np.percentile(found, (25, 75))
    return float(high - low)


def curvature_difference(
    prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> float:
    """Spread of curvature of the prediction against that of the truth, as a share of the truth's.

    Below 0 the prediction is smoother than the truth, above 0 it is rougher; NaN where one of the
    two is missing.

    Args:
        prediction: (X, Y, Z) bool.
        truth: (X, Y, Z) bool.
        spacing: voxel size along X, Y, Z.
    """
    true = curvature_spread(truth, spacing)
    return (curvature_spread(prediction, spacing) - true) / true if true else math.nan


def betti_numbers(mask: np.ndarray) -> tuple[int, int, int]:
    """Pieces, handles and cavities of a mask, (X, Y, Z) bool.

    Voxels hang together by faces, edges and corners, the background by faces. Handles follow from
    the Euler number: pieces - handles + cavities.

    Examples:
        >>> ring = np.zeros((5, 5, 3), bool)
        >>> ring[1:4, 1:4, 1] = True
        >>> ring[2, 2, 1] = False
        >>> betti_numbers(ring)
        (1, 1, 0)
    """
    from skimage.measure import euler_number

    padded = np.pad(mask, 1)
    _, pieces = cc3d.connected_components(padded, connectivity=26, return_N=True)
    _, outside = cc3d.connected_components(~padded, connectivity=6, return_N=True)
    cavities = int(outside) - 1
    return int(pieces), int(pieces) + cavities - int(euler_number(padded, 3)), cavities


def betti_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """How many pieces, handles and cavities the prediction has too many or too few, summed."""
    pairs = zip(betti_numbers(prediction), betti_numbers(truth), strict=True)
    return float(sum(abs(ours - theirs) for ours, theirs in pairs))
