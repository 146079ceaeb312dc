import numpy as np
import pytest
from scipy import ndimage

from crln.evaluation.fine import (
    betti_error,
    betti_numbers,
    centreline_dice,
    curvature_difference,
    curvature_spread,
    thin_dice,
    thin_part,
)

UNIT = (1.0, 1.0, 1.0)


def _rod(width: int, length: int = 30) -> np.ndarray:
    mask = np.zeros((width + 10, width + 10, length + 10), bool)
    mask[5 : 5 + width, 5 : 5 + width, 5 : 5 + length] = True
    return mask


def test_centreline_dice_forgives_width_and_not_a_gap() -> None:
    truth = _rod(3)
    assert centreline_dice(ndimage.binary_dilation(truth), truth) == 1
    broken = truth.copy()
    broken[:, :, 10:25] = False
    # The half that is there is all true: precision 1; half of the truth's centreline is found.
    found = 1 - 15 / 28
    assert centreline_dice(broken, truth) == pytest.approx(2 * found / (1 + found), abs=0.03)


def test_centreline_dice_of_nothing_is_none_or_undefined() -> None:
    empty = np.zeros_like(_rod(3))
    assert centreline_dice(empty, _rod(3)) == 0
    assert np.isnan(centreline_dice(empty, empty))


@pytest.mark.parametrize("width", range(1, 9))
def test_a_rod_is_thin_as_its_width_says(width: int) -> None:
    rod = _rod(width)
    share = thin_part(rod, 5, UNIT).sum() / rod.sum()
    assert share == 1 if width < 5 else share < 0.02


def test_thin_parts_are_those_that_no_ball_of_that_size_reaches() -> None:
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(18, 18, 18)), 2) > 0.02
    thin = thin_part(mask, 5, UNIT)
    offsets = np.argwhere(np.ones((7, 7, 7))) - 3
    ball = offsets[np.linalg.norm(offsets, axis=1) <= 2.5]
    near = offsets[np.linalg.norm(offsets, axis=1) <= 3]
    inside = np.pad(mask, 4)
    thick = np.zeros_like(inside)
    for place in np.argwhere(inside):
        if all(inside[tuple(place + step)] for step in ball if np.linalg.norm(step) < 2.5):
            thick[tuple((place + near).T)] = True
    np.testing.assert_array_equal(thin, mask & ~thick[4:-4, 4:-4, 4:-4])


def test_thickness_is_measured_in_the_unit_of_the_spacing() -> None:
    plate = np.zeros((20, 20, 9), bool)
    plate[2:18, 2:18, 3:6] = True  # 3 slices of 5 mm
    assert not thin_part(plate, 5, (1.0, 1.0, 5.0)).any()
    assert thin_part(plate, 5, UNIT)[4:16, 4:16].sum() == plate[4:16, 4:16].sum()


def test_a_single_slice_is_as_thin_as_its_outline() -> None:
    disc = np.zeros((30, 30, 1), bool)
    disc[5:20, 5:20] = True
    disc[20:28, 12:14] = True
    thin = thin_part(disc, 5, UNIT)
    assert thin[22:28].sum() == 12
    assert not thin[8:17, 8:17].any()


def test_thin_dice_sees_the_twig_that_dice_does_not() -> None:
    x, y, z = np.indices((30, 30, 40)) - np.array([12, 12, 12]).reshape(3, 1, 1, 1)
    without = x**2 + y**2 + z**2 < 81
    truth = without.copy()
    truth[12:14, 12:14, 20:36] = True
    dice = 2 * without.sum() / (without.sum() + truth.sum())
    assert dice > 0.98
    assert thin_dice(without, truth, UNIT) < 0.1
    assert thin_dice(truth, truth, UNIT) == 1
    assert np.isnan(thin_dice(truth, without, UNIT))


def test_a_smooth_outline_of_a_folded_surface_has_less_curvature() -> None:
    x, _, z = np.indices((48, 48, 32))
    folded = np.abs(z - 16 - 3 * np.sin(x / 2)) < 5
    smooth = ndimage.gaussian_filter(folded.astype(float), 3) > 0.5
    assert curvature_difference(smooth, folded, UNIT) < -0.15
    assert curvature_difference(folded, smooth, UNIT) > 0.15
    assert curvature_difference(folded, folded, UNIT) == 0


def test_curvature_is_in_the_unit_of_the_spacing_and_of_nothing_undefined() -> None:
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(24, 24, 24)), 3) > 0.01
    assert curvature_spread(mask, (2.0, 2.0, 2.0)) == pytest.approx(
        curvature_spread(mask, UNIT) / 2, rel=1e-3
    )
    assert np.isnan(curvature_spread(np.zeros_like(mask), UNIT))


@pytest.mark.parametrize("slices", [1, 4])
def test_across_thick_slices_curvature_is_that_of_the_outlines(slices: int) -> None:
    """What lies above and beneath them has none, and would hide that of the outlines."""
    x, y = np.indices((64, 64)) - 32
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    outline = radius < 22 + 3 * np.sin(8 * angle)
    spread = [
        curvature_spread(np.stack([disc] * slices, 2), (1.0, 1.0, thick))
        for disc in (outline, radius < 22)
        for thick in (5.0, 0.1 if slices == 1 else 4.0)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=1e-3)
    assert spread[2] == pytest.approx(spread[3], rel=1e-3)
    assert spread[0] > 4 * spread[2]


def test_pieces_handles_and_cavities_are_counted() -> None:
    x, y, z = np.indices((40, 40, 20)) - np.array([20, 20, 10]).reshape(3, 1, 1, 1)
    torus = np.hypot(np.hypot(x, y) - 12, z) < 4
    hollow = (x**2 + y**2 + z**2 < 49) & ~(x**2 + y**2 + z**2 < 9)
    assert betti_numbers(torus) == (1, 1, 0)
    assert betti_numbers(hollow) == (1, 0, 1)
    assert betti_numbers(torus & (np.abs(x) > 1)) == (2, 0, 0)
    assert betti_numbers(np.zeros((3, 3, 3), bool)) == (0, 0, 0)
    assert betti_error(torus & (np.abs(x) > 1), torus) == 2
