from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.labels import IGNORE
from crln.preparation.resample import (
    PLANES,
    along,
    axis_matrix,
    resample_classes,
    resample_image,
    thin_classes,
)

Shape = tuple[int, int, int]
SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


def centres(old: int, new: int) -> np.ndarray:
    """Where the target's voxels lie on the source's axis: outer faces coincide."""
    return np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)


def linear_by_loops(array: np.ndarray, shape: Shape) -> np.ndarray:
    result = np.zeros(shape)
    axes = [centres(old, new) for old, new in zip(array.shape, shape, strict=True)]
    for target in np.ndindex(shape):
        point = [axis[i] for axis, i in zip(axes, target, strict=True)]
        for corner in product((0, 1), repeat=3):
            weight, index = 1.0, []
            for at, up, side in zip(point, corner, array.shape, strict=True):
                share = at - int(at)
                weight *= share if up else 1 - share
                index.append(min(int(at) + up, side - 1))
            result[target] += weight * array[tuple(index)]
    return result


@settings(max_examples=20, deadline=None)
@given(SHAPES, SHAPES)
def test_the_largest_of_the_interpolated_classes_wins(old: Shape, new: Shape) -> None:
    classes = np.random.default_rng(2).integers(0, 4, old).astype(np.uint8)
    whole = np.stack([linear_by_loops((classes == k).astype(float), new) for k in range(4)])
    second, first = np.sort(whole, 0)[-2:]
    clear = first - second > 1e-4
    result = resample_classes(classes, new, 4)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[clear], whole.argmax(0)[clear])


@pytest.mark.parametrize(
    ("length", "side"),
    [
        *((2 * side + 3, side) for side in (PLANES - 1, PLANES, 2 * PLANES + 1)),
        (3 * PLANES - 2, 3 * PLANES),  # a slab may reach as many planes as it has
        (3 * PLANES + 2, 3 * PLANES),
    ],
)
def test_slabs_leave_no_seam(length: int, side: int) -> None:
    classes = np.random.default_rng(3).integers(0, 3, (length, 4, 3)).astype(np.uint8)
    whole = np.stack(
        [linear_by_loops((classes == k).astype(float), (side, 5, 4)) for k in range(3)]
    )
    second, first = np.sort(whole, 0)[-2:]
    clear = first - second > 1e-4
    result = resample_classes(classes, (side, 5, 4), 3)
    np.testing.assert_array_equal(result[clear], whole.argmax(0)[clear])


def test_more_classes_than_a_byte_holds() -> None:
    classes = np.arange(300).reshape(300, 1, 1).astype(np.uint16)
    np.testing.assert_array_equal(resample_classes(classes, (300, 1, 1), 300), classes)


def keys_by_loops(line: np.ndarray, new: int) -> np.ndarray:
    """Cubic convolution (Keys 1981, a = -0.5) of one line; taps outside it count for nothing."""

    def kernel(t: float) -> float:
        t = abs(t)
        if t < 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    stretch = max(len(line) / new, 1.0)
    result = []
    for i in range(new):
        at = (i + 0.5) * len(line) / new - 0.5
        weights = np.array([kernel((j - at) / stretch) for j in range(len(line))])
        result.append(weights @ line / weights.sum())
    return np.array(result)


@pytest.mark.parametrize("new", [5, 9, 13, 22])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_images_by_cubic_convolution_along_each_axis(axis: int, new: int) -> None:
    array = np.random.default_rng(4).random((9, 9, 9), dtype=np.float32)
    shape = tuple(new if i == axis else 9 for i in range(3))
    expected = np.apply_along_axis(keys_by_loops, axis, array.astype(float), new)
    np.testing.assert_allclose(resample_image(array, shape), expected, atol=1e-5)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_an_axis_is_interpolated_as_torch_does_it(old: int, new: int, cubic: bool) -> None:
    lines = np.random.default_rng(7).random((3, old), dtype=np.float32)
    mode = "bicubic" if cubic else "bilinear"
    picture = torch.from_numpy(lines)[None, None]
    expected = F.interpolate(picture, (3, new), mode=mode, antialias=True)[0, 0].numpy()
    found = along(lines[None], axis_matrix(old, new, cubic=cubic, widen=True), 2)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_leading_axes_and_views_are_taken_as_they_are(axis: int) -> None:
    array = np.random.default_rng(8).random((2, 9, 50, 40), dtype=np.float32)[:, ::-1, 2:, ::2]
    matrix = axis_matrix(array.shape[axis + 1], 70)
    expected = np.moveaxis(np.tensordot(array, matrix, ([axis + 1], [1])), -1, axis + 1)
    np.testing.assert_allclose(along(array, matrix, axis), expected, atol=1e-6)


def test_image_axes_are_independent() -> None:
    array = np.random.default_rng(5).random((6, 7, 8), dtype=np.float32)
    expected = array.astype(float)
    for axis, new in enumerate((9, 4, 11)):
        expected = np.apply_along_axis(keys_by_loops, axis, expected, new)
    np.testing.assert_allclose(resample_image(array, (9, 4, 11)), expected, atol=1e-5)


def test_thick_slices_are_interpolated_linearly() -> None:
    array = np.zeros((8, 8, 6), np.float32)
    array[..., 3] = 1
    linear = resample_image(array, (8, 8, 18), (False, False, True))
    assert linear.min() == 0  # no overshoot
    assert resample_image(array, (8, 8, 18)).min() < -0.01
    np.testing.assert_allclose(linear, linear_by_loops(array, (8, 8, 18)), atol=1e-6)


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((64, 4, 4), np.float32)
    stripes[::2] = 1
    shrunk = resample_image(stripes, (16, 4, 4))
    assert np.abs(shrunk[2:-2] - 0.5).max() < 0.05


def test_the_same_grid_changes_nothing() -> None:
    array = np.random.default_rng(6).random((4, 5, 6), dtype=np.float32)
    np.testing.assert_array_equal(resample_image(array, (4, 5, 6)), array)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_outlined_slices_outlast_a_coarser_grid(factor: int) -> None:
    """Every slice that somebody outlined is in the voxel that covers it, whatever lies beside."""
    classes = np.full((4, 5, 24), IGNORE, np.int8)
    outlined = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.int8)
    classes[:, :, 1::4] = outlined
    thinned = thin_classes(classes, 2, 24 // factor)
    known = np.flatnonzero((thinned != IGNORE).all((0, 1)))
    expected = {z // factor for z in range(1, 24, 4)}
    assert set(known.tolist()) == expected
    for target in expected:
        (first, *_) = [i for i, z in enumerate(range(1, 24, 4)) if z // factor == target]
        np.testing.assert_array_equal(thinned[:, :, target], outlined[:, :, first])
