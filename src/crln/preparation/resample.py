"""From one grid of voxels to another: the outer faces of the two coincide."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crln.imaging import Shape

PLANES = 16
"""Planes of the target grid worked on at a time where classes compete: bounds the memory."""


def resample_image(
    array: np.ndarray, shape: Shape, linear: tuple[bool, ...] = (False, False, False)
) -> np.ndarray:
    """Cubic convolution along each axis; where one shrinks, its kernel widens against aliasing.

    Args:
        array: (X, Y, Z) float32.
        shape: of the target.
        linear: axes to interpolate linearly: a cubic overshoots between slices far apart.

    Returns:
        `shape`, float32. Beyond the centres of the outermost voxels their values go on.
    """
    values = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    # The axis that shrinks most goes first, so that the others have less to do.
    for axis in sorted(range(3), key=lambda axis: shape[axis] / array.shape[axis]):
        if values.shape[axis] != shape[axis]:
            values = _resample_axis(values, axis, shape[axis], linear[axis])
    result: np.ndarray = values.numpy()
    return result


def _resample_axis(values: Tensor, axis: int, side: int, linear: bool) -> Tensor:
    """Resamples one axis of (X, Y, Z) as the height or the width of pictures."""
    x, y, z = values.shape
    pictures, size = (
        (values.reshape(1, 1, x, y * z), (side, y * z)),
        (values.reshape(x, 1, y, z), (side, z)),
        (values.reshape(1, 1, x * y, z), (x * y, side)),
    )[axis]
    mode = "bilinear" if linear else "bicubic"
    pictures = F.interpolate(pictures, size, mode=mode, antialias=True)
    return pictures.reshape([side if i == axis else n for i, n in enumerate((x, y, z))])


def resample_classes(classes: np.ndarray, shape: Shape, number: int) -> np.ndarray:
    """Each class (X, Y, Z) interpolated linearly, the largest wins: smoother than the nearest."""

    def score(k: int, planes: slice) -> np.ndarray | None:
        there: np.ndarray = classes[planes] == k
        return there if there.any() else None

    return _largest(score, number, classes.shape, shape)


def _largest(
    score: Callable[[int, slice], np.ndarray | None],
    number: int,
    source: tuple[int, ...],
    shape: Shape,
) -> np.ndarray:
    """The class with the largest interpolated score, a slab of planes and one class at a time.

    Args:
        score: class and planes of the source's first axis -> scores (n, Y, Z), or None where the
            class is absent.
        number: K.
        source: shape of the grid that `score` is on.
        shape: of the target.
    """
    result = np.empty(shape, np.min_scalar_type(number - 1))
    centres = (torch.arange(shape[0], dtype=torch.float64) + 0.5) * source[0] / shape[0] - 0.5
    centres.clamp_(0, source[0] - 1)
    for start in range(0, shape[0], PLANES):
        slab = centres[start : start + PLANES]
        low = slab.floor().long()
        high = (low + 1).clamp(max=source[0] - 1)
        first, last = int(low[0]), int(high[-1])
        share = (slab - low).float()[:, None, None]
        best = torch.full((len(slab), *shape[1:]), -torch.inf)
        winner = torch.zeros(best.shape, dtype=torch.int32)
        for k in range(number):
            part = score(k, slice(first, last + 1))
            if part is None:
                continue
            values = torch.from_numpy(part).float()
            between = torch.lerp(values[low - first], values[high - first], share)
            here = F.interpolate(between[None], shape[1:], mode="bilinear")[0]
            winner.masked_fill_(here > best, k)
            torch.maximum(best, here, out=best)
        result[start : start + PLANES] = winner.numpy()
    return result
