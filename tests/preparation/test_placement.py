import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.imaging import Volume
from crln.preparation.placement import (
    place,
    resize,
    restore_classes,
    restore_mask,
    restore_scores,
    to_plan_grid,
    to_scan_grid,
)

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
    placement = place(volume, None)
    turned = to_plan_grid(volume.array[0], placement, 1)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(volume.array[0], volume.affine))
    np.testing.assert_array_equal(turned, canonical.get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(to_scan_grid(turned, placement, 1), volume.array[0])


def test_the_shape_follows_the_spacing() -> None:
    volume = make_volume("PIR", (10, 20, 30), (2.0, 1.0, 0.5))
    placement = place(volume, (1.0, 1.0, 1.0))
    assert placement.turned == (30, 10, 20)
    assert placement.shape == (15, 20, 20)
    assert place(make_volume("RAS", (1, 4, 4), (0.1, 1, 1)), (1.0, 1.0, 1.0)).shape == (1, 4, 4)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(2, 12)] * 3), st.tuples(*[st.integers(2, 12)] * 3))
def test_resizing_keeps_a_linear_ramp(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    axes = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in old], indexing="ij")
    ramp = sum(axis * weight for axis, weight in zip(axes, (1.0, 2.0, -1.0), strict=True))
    result = resize(ramp.astype(np.float32), new, 1)
    axes = np.meshgrid(*[(np.arange(n) + 0.5) / n for n in new], indexing="ij")
    expected = sum(axis * weight for axis, weight in zip(axes, (1.0, 2.0, -1.0), strict=True))
    # Away from the border, where the nearest voxel is repeated.
    margin = [int(np.ceil(n / o)) + int(np.ceil(n * 4 / o)) for o, n in zip(old, new, strict=True)]
    inner = tuple(slice(m, n - m) for m, n in zip(margin, new, strict=True))
    assert result.shape == new
    if all(o / n <= 1.5 for o, n in zip(old, new, strict=True)):
        np.testing.assert_allclose(result[inner], expected[inner], atol=1e-4)


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((64, 4, 4), np.float32)
    stripes[::2] = 1
    shrunk = resize(stripes, (16, 4, 4), 3)
    assert np.abs(shrunk[2:-2] - 0.5).max() < 0.1


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_mask_comes_back_to_the_scan(codes: str) -> None:
    volume = make_volume(codes, (16, 20, 12), (1.5, 0.8, 2.0))
    grid = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"))
    truth = (np.abs(grid - np.array([8, 10, 6])[:, None, None, None]).max(0) < 5).astype(np.uint8)
    placement = place(volume, (1.0, 1.0, 1.0))
    prepared = np.stack(
        [to_plan_grid((truth == k).astype(np.float32), placement, 1) for k in (0, 1)]
    )
    for mask in (
        restore_mask(prepared, placement),
        restore_classes(prepared.argmax(0), placement, 2),
        restore_scores(prepared, placement).argmax(0),
    ):
        assert mask.shape == volume.shape
        overlap = 2 * (mask * truth).sum() / (mask.sum() + truth.sum())
        assert overlap > 0.93


def test_slabs_equal_the_whole() -> None:
    random = np.random.default_rng(1)
    volume = make_volume("LPS", (40, 11, 9), (0.5, 1.0, 1.0))
    placement = place(volume, (1.0, 1.0, 1.0))
    scores = random.random((3, *placement.shape), dtype=np.float32)
    whole = restore_scores(scores, placement).argmax(0)
    slabs = restore_mask(scores, placement)
    assert (slabs != whole).mean() < 1e-3


def test_every_class_pair_survives_a_plain_turn() -> None:
    volume = make_volume("SLA", (4, 5, 6), (1.0, 1.0, 1.0))
    placement = place(volume, None)
    classes = np.random.default_rng(2).integers(0, 3, placement.shape).astype(np.uint8)
    scores = np.stack([(classes == k).astype(np.float32) for k in range(3)])
    restored = restore_mask(scores, placement)
    np.testing.assert_array_equal(restored, restore_classes(classes, placement, 3))
    np.testing.assert_array_equal(to_plan_grid(restored, placement, 0), classes)
