import nibabel as nib
import numpy as np
import pytest

from crln.imaging import Grid
from crln.preparation.placement import classes_to_plan_grid, image_to_plan_grid, place

ORIENTATIONS = ["RAS", "LPS", "PIR", "SLA", "ASR", "IPL"]


def make_grid(codes: str, shape: tuple[int, int, int], spacing: tuple[float, ...]) -> Grid:
    orientation = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.linalg.inv(nib.orientations.inv_ornt_aff(orientation, shape))
    affine[:3, :3] = affine[:3, :3] * np.array(spacing)
    return Grid(shape, affine)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_scan_is_turned_to_ras(codes: str) -> None:
    grid = make_grid(codes, (5, 6, 7), (1.0, 2.0, 3.0))
    array = np.random.default_rng(0).random(grid.shape, dtype=np.float32)
    turned = image_to_plan_grid(array, place(grid, None))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(array, grid.affine))
    np.testing.assert_array_equal(turned, canonical.get_fdata(dtype=np.float32))


def test_the_shape_follows_the_spacing() -> None:
    placement = place(make_grid("PIR", (10, 20, 30), (2.0, 1.0, 0.5)), (1.0, 1.0, 1.0))
    assert placement.turned == (30, 10, 20)
    assert placement.shape == (15, 20, 20)
    assert place(make_grid("RAS", (1, 4, 4), (0.1, 1, 1)), (1.0, 1.0, 1.0)).shape == (1, 4, 4)


def test_thick_axes_are_those_of_ras_order() -> None:
    grid = make_grid("PIR", (10, 20, 30), (1.0, 5.0, 1.0))
    assert place(grid, (1.0, 1.0, 1.0)).thick == (False, False, True)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_classes_lie_where_the_image_lies(codes: str) -> None:
    grid = make_grid(codes, (16, 20, 12), (1.5, 0.8, 2.0))
    places = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"))
    # Off centre along every axis, so that a wrong flip or swap shows.
    truth = (np.abs(places - np.array([5, 12, 7])[:, None, None, None]).max(0) < 4).astype(np.uint8)
    placement = place(grid, (1.0, 1.0, 1.0))
    classes = classes_to_plan_grid(truth, placement, 2)
    image = image_to_plan_grid(truth.astype(np.float32), placement) > 0.5
    assert classes.shape == image.shape == placement.shape
    assert 2 * (classes & image).sum() / (classes.sum() + image.sum()) > 0.95


def test_classes_survive_a_plain_turn() -> None:
    placement = place(make_grid("SLA", (4, 5, 6), (1.0, 1.0, 1.0)), None)
    classes = np.random.default_rng(2).integers(0, 3, placement.grid.shape).astype(np.uint8)
    turned = classes_to_plan_grid(classes, placement, 3)
    np.testing.assert_array_equal(placement.grid.from_ras(turned), classes)
