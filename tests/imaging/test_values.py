from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from crln.errors import CrlnError
from crln.imaging.values import check_intensities, whole_numbers

PATH = Path("a.nii.gz")


def _regions(count: int, side: int = 40) -> np.ndarray:
    """A label of `count` blocks in background, (side, side, side)."""
    at = np.random.default_rng(0).integers(0, side, (count, 3))
    seeds = np.zeros((side,) * 3, int)
    seeds[tuple(at.T)] = np.arange(1, count + 1)
    far, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    label: np.ndarray = np.where(far < 6, seeds[tuple(nearest)], 0)
    return label


@pytest.mark.parametrize("values", [(0, 1.0000153, 2), (0.0009, 0.9991, 5)])
def test_labels_within_a_thousandth_are_rounded(values: tuple[float, ...]) -> None:
    label = whole_numbers(PATH, np.array(values).reshape(3, 1, 1))
    assert label.dtype == np.int32
    assert label.ravel().tolist() == [round(value) for value in values]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (1.002, "1.002"), (np.nan, "nan"), (np.inf, "inf")]
)
def test_the_value_that_is_not_whole_is_shown(value: float, shown: str) -> None:
    with pytest.raises(CrlnError, match=rf"a\.nii\.gz: .* not whole .*\(it holds {shown}\)"):
        whole_numbers(PATH, np.array([0, value]).reshape(2, 1, 1))


@pytest.mark.parametrize("smooth", [0, 2])
def test_a_scan_is_no_label(smooth: float) -> None:
    noise = np.random.default_rng(0).normal(size=(20, 20, 20))
    scan = ndimage.gaussian_filter(noise, smooth)
    scan = np.rint(300 * (scan - scan.min()) / np.ptp(scan)).astype(np.int16)
    scan[:5] = 0  # air
    with pytest.raises(CrlnError, match=r"holds \d\d+ different values, one beside the other"):
        whole_numbers(PATH, scan)


@pytest.mark.parametrize("count", [40, 120])
def test_an_atlas_of_many_structures_is_a_label(count: int) -> None:
    label = _regions(count)
    assert len(np.unique(label)) > 37
    np.testing.assert_array_equal(whole_numbers(PATH, label * 17), label * 17)


def test_hundreds_of_structures_of_a_few_voxels_are_a_label() -> None:
    label = np.zeros((16, 16, 16), int)
    strewn = np.random.default_rng(0).permutation(label.size)[: 264 * 4]
    label.flat[strewn] = np.repeat(np.arange(1, 265), 4)
    np.testing.assert_array_equal(whole_numbers(PATH, label), label)


def test_two_values_far_apart_are_a_label() -> None:
    label = np.random.default_rng(0).choice([0, 255], (9, 9, 9))
    np.testing.assert_array_equal(whole_numbers(PATH, label), label)


@pytest.mark.parametrize("value", [1e30, -1e20, 3.4e38])
def test_voxels_that_no_scan_measures_are_counted(value: float) -> None:
    array = np.random.default_rng(0).normal(size=(5, 5, 5)).astype(np.float32)
    array[0, 0, :3] = value
    with pytest.raises(CrlnError, match=r"a\.nii\.gz: 3 voxels are beyond what a scan measures"):
        check_intensities(PATH, array)


def test_one_voxel_is_told_as_one() -> None:
    array = np.arange(8.0).reshape(2, 2, 2)
    for value, told in ((np.nan, "1 voxel is NaN"), (1e30, "1 voxel is beyond what a scan")):
        array[0, 0, 0] = value
        with pytest.raises(CrlnError, match=rf"a\.nii\.gz: {told}"):
            check_intensities(PATH, array)
