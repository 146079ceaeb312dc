import nibabel as nib
import numpy as np
import pytest

from crln.imaging import Volume
from crln.preparation import restore_classes, restore_mask, restore_scores
from crln.preparation.placement import classes_to_plan_grid, image_to_plan_grid, place

ORIENTATIONS = ["RAS", "LPS", "PIR", "SLA", "ASR", "IPL"]


def make_volume(codes: str, shape: tuple[int, int, int], spacing: tuple[float, ...]) -> Volume:
    orientation = nib.orientations.axcodes2ornt(tuple(codes))
    affine = np.linalg.inv(nib.orientations.inv_ornt_aff(orientation, shape))
    affine[:3, :3] = affine[:3, :3] * np.array(spacing)
    array = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    return Volume(array, affine)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_scan_is_turned_to_ras_and_back(codes: str) -> None:
    volume = make_volume(codes, (5, 6, 7), (1.0, 2.0, 3.0))
    assert "".join(nib.aff2axcodes(volume.affine)) == codes
    placement = place(volume, None)
    turned = image_to_plan_grid(volume.array[0], placement)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(volume.array[0], volume.affine))
    np.testing.assert_array_equal(turned, canonical.get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(restore_scores(turned[None], placement), volume.array)


def test_the_shape_follows_the_spacing() -> None:
    volume = make_volume("PIR", (10, 20, 30), (2.0, 1.0, 0.5))
    placement = place(volume, (1.0, 1.0, 1.0))
    assert placement.turned == (30, 10, 20)
    assert placement.shape == (15, 20, 20)
    assert place(make_volume("RAS", (1, 4, 4), (0.1, 1, 1)), (1.0, 1.0, 1.0)).shape == (1, 4, 4)


def test_thick_axes_are_those_of_ras_order() -> None:
    volume = make_volume("PIR", (10, 20, 30), (1.0, 5.0, 1.0))
    assert place(volume, (1.0, 1.0, 1.0)).thick == (False, False, True)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_mask_comes_back_to_where_it_was(codes: str) -> None:
    volume = make_volume(codes, (16, 20, 12), (1.5, 0.8, 2.0))
    grid = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"))
    # Off centre along every axis, so that a wrong flip or swap shows.
    truth = (np.abs(grid - np.array([5, 12, 7])[:, None, None, None]).max(0) < 4).astype(np.uint8)
    placement = place(volume, (1.0, 1.0, 1.0))
    prepared = classes_to_plan_grid(truth, placement, 2)
    assert prepared.shape == placement.shape
    scores = np.stack([prepared == 0, prepared == 1]).astype(np.float32)
    for mask in (
        restore_mask(scores, placement),
        restore_classes(prepared, placement, 2),
        restore_scores(scores, placement).argmax(0),
    ):
        assert mask.shape == volume.shape
        assert 2 * (mask * truth).sum() / (mask.sum() + truth.sum()) > 0.9


def test_scores_and_classes_restore_alike() -> None:
    placement = place(make_volume("LPS", (40, 11, 9), (0.5, 1.0, 1.0)), (1.0, 1.0, 1.0))
    scores = np.random.default_rng(1).random((3, *placement.shape), dtype=np.float32)
    mask = restore_mask(scores, placement)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, restore_scores(scores, placement).argmax(0))


def test_classes_survive_a_plain_turn() -> None:
    placement = place(make_volume("SLA", (4, 5, 6), (1.0, 1.0, 1.0)), None)
    classes = np.random.default_rng(2).integers(0, 3, placement.shape).astype(np.uint8)
    scores = np.stack([(classes == k).astype(np.float32) for k in range(3)])
    restored = restore_mask(scores, placement)
    np.testing.assert_array_equal(restored, restore_classes(classes, placement, 3))
    np.testing.assert_array_equal(classes_to_plan_grid(restored, placement, 3), classes)
