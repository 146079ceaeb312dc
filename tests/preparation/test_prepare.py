from pathlib import Path

import numpy as np
import pytest

from crln.combinations import join
from crln.errors import CrlnError
from crln.imaging import Grid, Volume
from crln.labels import IGNORE, LabelSpace
from crln.planning.plan import Intensity, Plan
from crln.preparation import normalise, prepare_image, prepare_label
from crln.preparation.placement import combinations_to_plan_grid, place


def scan(array: np.ndarray, spacing: float = 1.0) -> Volume:
    return Volume(array, Grid(array.shape[1:], np.diag([spacing, spacing, spacing, 1.0])))


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).random((1, side, side, side), dtype=np.float32)


VALUES = np.random.default_rng(0).normal(100, 30, (1, 8, 9, 10)).astype(np.float32)


def test_zscore_has_mean_zero_and_deviation_one() -> None:
    result = normalise(VALUES[0], Intensity(scheme="zscore"))
    assert result.dtype == np.float32
    assert abs(result.mean()) < 1e-5
    assert abs(result.std() - 1) < 1e-5


def test_minmax_spans_zero_to_one() -> None:
    result = normalise(VALUES[0], Intensity(scheme="minmax"))
    assert (result.min(), result.max()) == (0, 1)


def test_window_clips_then_standardises() -> None:
    scheme = Intensity(scheme="window", low=50, high=120, mean=90, std=20)
    result = normalise(VALUES[0], scheme)
    np.testing.assert_allclose(result, (np.clip(VALUES[0], 50, 120) - 90) / 20, atol=1e-6)


def test_none_changes_nothing() -> None:
    np.testing.assert_array_equal(normalise(VALUES[0], Intensity(scheme="none")), VALUES[0])


@pytest.mark.parametrize("scheme", ["zscore", "minmax"])
def test_a_constant_scan_is_named(scheme: str) -> None:
    constant = np.full((1, 4, 4, 4), 7.0, np.float32)
    plan = Plan(intensity=(Intensity(scheme=scheme),))  # type: ignore[arg-type]
    with pytest.raises(CrlnError, match=r"flat\.nii\.gz: every voxel is 7"):
        prepare_image(scan(constant), plan, Path("flat.nii.gz"))


def test_the_channels_must_be_the_plans() -> None:
    plan = Plan(channels=("T1", "T2"), intensity=(Intensity(), Intensity()))
    with pytest.raises(
        CrlnError, match=r"a\.nii\.gz: has 1 channels where the plan has 2 \(T1, T2\)"
    ):
        prepare_image(scan(VALUES), plan, Path("a.nii.gz"))


def test_labels_are_mapped_to_classes() -> None:
    plan = Plan(labels=LabelSpace((0, 255, 7), ("background", "a", "b")))
    values = np.random.default_rng(1).choice([0, 7, 255], (1, 6, 6, 6)).astype(np.int32)
    _, placement = prepare_image(scan(noise(6)), plan)
    result = prepare_label(scan(values), plan, placement)
    expected = np.select([values[0] == 255, values[0] == 7], [1, 2], 0)
    np.testing.assert_array_equal(result, expected)


def test_a_value_without_a_class_is_named() -> None:
    plan = Plan(labels=LabelSpace((0, 1), ("background", "a")))
    values = np.zeros((1, 4, 4, 4), np.int32)
    values[0, 1, 1, 1] = 9
    _, placement = prepare_image(scan(noise(4)), plan)
    with pytest.raises(CrlnError, match=r"l\.nii: holds the value 9, .* labels \[0, 1\]"):
        prepare_label(scan(values), plan, placement, Path("l.nii"))


def test_what_nobody_outlined_is_ignored_and_competes_when_resampled() -> None:
    labels = LabelSpace((0, 1), ("background", "a"), ignore=255)
    values = np.zeros((1, 12, 12, 12), np.int32)
    values[0, :, 4:, :] = 1
    values[0, :, :, 6:] = 255
    for spacing, side in ((None, 12), ((2.0, 2.0, 2.0), 6)):
        plan = Plan(labels=labels, spacing=spacing)
        _, placement = prepare_image(scan(noise(12)), plan)
        result = prepare_label(scan(values), plan, placement)
        expected = np.zeros((side,) * 3, int)
        expected[:, side // 3 :] = 1
        expected[:, :, side // 2 :] = IGNORE
        np.testing.assert_array_equal(result, expected)


def test_a_resampled_label_keeps_its_volume() -> None:
    plan = Plan(spacing=(1.0, 1.0, 1.0), labels=LabelSpace((0, 1, 2), ("background", "a", "b")))
    values = np.zeros((1, 16, 16, 16), np.int32)
    values[0, 4:10, 3:12, 4:12] = 1
    values[0, 10:14, 3:12, 4:12] = 2
    image = noise(16)
    _, placement = prepare_image(scan(image, 1.7), plan)
    result = prepare_label(scan(values, 1.7), plan, placement)
    assert result.shape == placement.shape == (27, 27, 27)
    for k in (1, 2):
        assert (result == k).sum() == pytest.approx((values == k).sum() * 1.7**3, rel=0.1)


def test_voxels_that_are_no_number_are_named() -> None:
    array = VALUES.copy()
    array[0, 1, 2, 3] = np.nan
    with pytest.raises(CrlnError, match=r"n\.nii: holds NaN or infinite"):
        prepare_image(scan(array), Plan(), Path("n.nii"))


def test_a_constant_scan_is_no_fault_within_a_window() -> None:
    scheme = Intensity(scheme="window", low=0, high=10, mean=5, std=2)
    image, _ = prepare_image(
        scan(np.full((1, 4, 4, 4), 7.0, np.float32)), Plan(intensity=(scheme,))
    )
    np.testing.assert_array_equal(image, 1)


def test_a_spacing_far_from_the_plans_is_named() -> None:
    with pytest.raises(CrlnError, match=r"m\.nii: 50 x 50 x 50 mm .* 4000 x 4500 x 5000"):
        prepare_image(scan(VALUES, 50), Plan(spacing=(0.1, 0.1, 0.1)), Path("m.nii"))


def test_channels_are_normalised_each_by_its_own_scheme() -> None:
    plan = Plan(channels=("a", "b"), intensity=(Intensity(scheme="minmax"), Intensity()))
    image, _ = prepare_image(scan(np.concatenate([VALUES, 5 * VALUES])), plan)
    assert (image[0].min(), image[0].max()) == (0, 1)
    assert abs(image[1].mean()) < 1e-5


def test_each_region_is_resampled_by_itself() -> None:
    """As it would be alone, whatever the others; a core stays within its whole."""
    random = np.random.default_rng(0)
    values = np.zeros((10, 9, 8), np.int32)
    values[2:8, 2:7, 1:7] = 1
    values[4:7, 3:6, 2:5] = 2
    values[random.random(values.shape) < 0.05] = 3
    values[:2] = 7
    space = LabelSpace.of([0, 1, 2, 3], {}, 7, regions={"whole": (1, 2, 3), "core": (2, 3)})
    plan = Plan(labels=space, spacing=(1.5, 0.8, 1.2))
    volume = scan(values[None])
    placement = place(volume.grid, plan.spacing)
    found = prepare_label(volume, plan, placement)
    alone = LabelSpace((0, 1), ("background", "one"), ignore=7)
    for k, members in ((1, (1, 2, 3)), (2, (2, 3))):
        one = np.where(values == 7, 7, np.isin(values, members).astype(np.int32))
        expected = prepare_label(
            scan(one[None]), Plan(labels=alone, spacing=plan.spacing), placement
        )
        known = found != IGNORE
        assert 0 < known.sum() < known.size
        np.testing.assert_array_equal(space.holds(found, k)[known], expected[known] == 1)
    assert not (space.holds(found, 2) & ~space.holds(found, 1)).any()


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_outlined_slices_of_overlapping_classes_outlast_a_coarser_grid(
    factor: int, separate: bool
) -> None:
    """Nothing of them becomes background or unknown; two structures may know different slices."""
    random = np.random.default_rng(0)
    space = LabelSpace.of([0, 1, 2], {}, 7, exclusive=False)
    masks = {k: random.random((8, 8, 24)) < 0.5 for k in (1, 2)}
    hidden = np.ones((8, 8, 24), bool)
    hidden[:, :, 1::4] = False
    if separate:
        unknown: dict[int, np.ndarray] = {1: hidden}
    else:
        space = LabelSpace.of([0, 1, 2], {}, 7, regions={"whole": (1, 2), "core": (2,)})
        unknown, masks[2] = {}, masks[1] & masks[2]
    combined = join(masks, unknown, 2)
    if not separate:
        combined[hidden] = IGNORE
    placement = place(Grid(combined.shape, np.eye(4)), (1, 1, factor))
    found = combinations_to_plan_grid(combined, placement, space)
    outlined = {z // factor: z for z in reversed(range(1, 24, 4))}
    known = space.knows(found, 1)
    assert set(np.flatnonzero(known.all((0, 1)))) == set(outlined)
    assert set(np.flatnonzero(known.any((0, 1)))) == set(outlined)
    for target, z in outlined.items():
        held = space.holds(found, 1)[:, :, target]
        np.testing.assert_array_equal(held, masks[1][:, :, z])
    if separate:
        assert space.knows(found, 2).all()
