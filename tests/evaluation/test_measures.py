"""What a mask measures."""

import math

import numpy as np
import pytest

from crln.evaluation import measures
from crln.evaluation.measures import measure
from crln.imaging import Grid


def grid(shape: tuple[int, ...], spacing: tuple[float, ...] = (1, 1, 1)) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def farthest(inside: np.ndarray, to_world: np.ndarray) -> float:
    """Every pair of voxels, in plain loops of numpy."""
    points = np.argwhere(inside) @ to_world[:3, :3].T
    return max(float(np.sqrt(((points - p) ** 2).sum(1)).max()) for p in points)


@pytest.mark.parametrize("density", [0.002, 0.02, 0.4])
def test_the_diameter_is_the_largest_distance_of_any_two_voxels(density: float) -> None:
    random = np.random.default_rng(0)
    inside = random.random((14, 11, 9)) < density
    turned = np.eye(4)
    turned[:3, :3] = np.linalg.qr(random.normal(size=(3, 3)))[0] * [0.7, 1.3, 4.0]
    found = measure(inside, Grid(inside.shape, turned))
    assert found.diameter_mm == pytest.approx(farthest(inside, turned))


def test_the_diameter_of_a_large_structure_is_that_of_its_hull() -> None:
    inside = np.random.default_rng(0).random((50, 48, 6)) < 0.8
    assert np.count_nonzero(inside.any(2)) * 2 > measures.FEW
    stretched = np.diag([0.7, 1.3, 4.0, 1.0])
    found = measure(inside, Grid(inside.shape, stretched))
    # Of the outermost voxels along every axis alone, so that the loops end.
    rim = inside.copy()
    rim[8:-8, 8:-8] = False
    assert found.diameter_mm == pytest.approx(farthest(rim, stretched))


def test_a_flat_structure_and_a_single_voxel_have_a_diameter() -> None:
    disc = np.zeros((40, 40, 3), bool)
    x, y = np.indices((40, 40))
    disc[:, :, 1] = (x - 20) ** 2 + (y - 20) ** 2 <= 15**2
    assert measure(disc, grid(disc.shape, (1, 1, 5))).diameter_mm == pytest.approx(30)
    dot = np.zeros((4, 4, 4), bool)
    dot[1, 2, 1] = True
    with np.errstate(all="raise"):
        assert measure(dot, grid(dot.shape)).diameter_mm == 0


def test_the_volume_is_in_millilitres_and_unknown_without_a_voxel_size() -> None:
    inside = np.zeros((20, 20, 10), bool)
    inside[2:12, 2:12, 3:8] = True
    assert measure(inside, grid(inside.shape, (2, 2, 5))).volume_ml == pytest.approx(10)
    unknown = measure(inside, Grid(inside.shape, None))
    assert math.isnan(unknown.volume_ml)
    assert math.isnan(unknown.diameter_mm)


def test_the_intensity_is_the_mean_within_of_each_channel() -> None:
    image = np.random.default_rng(1).normal(size=(2, 8, 8, 8)).astype(np.float32)
    inside = np.zeros((8, 8, 8), bool)
    inside[2:5, 1:7, 3:5] = True
    found = measure(inside, grid(inside.shape), image).intensity
    assert found == pytest.approx([channel[inside].mean() for channel in image], rel=1e-5)


def test_pieces_and_the_border_are_seen() -> None:
    inside = np.zeros((9, 9, 9), bool)
    inside[1:3, 1:3, 1:3] = inside[3, 3, 3] = True  # a corner holds them together
    assert (measure(inside, grid(inside.shape)).pieces, inside[0].any()) == (1, False)
    assert not measure(inside, grid(inside.shape)).border
    inside[8, 4, 4] = True
    found = measure(inside, grid(inside.shape))
    assert (found.pieces, found.border) == (2, True)


def test_a_scan_of_one_slice_has_no_border_along_it() -> None:
    inside = np.zeros((9, 9, 1), bool)
    inside[3:5, 3:5] = True
    assert not measure(inside, grid(inside.shape)).border


def test_what_is_not_there_measures_nothing() -> None:
    found = measure(np.zeros((4, 4, 4), bool), grid((4, 4, 4)), np.ones((1, 4, 4, 4)))
    assert (found.voxels, found.volume_ml, found.pieces) == (0, 0, 0)
    assert math.isnan(found.diameter_mm)
    assert math.isnan(found.intensity[0])
