"""Metrics against medpy and surface-distance, and what stays undefined."""

import math
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import surface_distance
from hypothesis import given, settings
from hypothesis import strategies as st
from medpy.metric import binary
from scipy import ndimage

from crln.evaluation import METRICS, ClassMetrics, case_metrics

spacings = st.tuples(*[st.floats(0.2, 5.0)] * 3)


def blobs(seed: int, shape: tuple[int, int, int], classes: int = 1) -> np.ndarray:
    """Smooth random shapes, several to a class, some cut by the array's edge."""
    generator = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(generator.normal(size=shape), 1.5) for _ in range(classes)]
    best = np.argmax(fields, axis=0) + 1
    return np.where(np.max(fields, axis=0) > 0.05, best, 0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(*[st.integers(4, 20)] * 3),
    spacing=st.one_of(st.none(), spacings),
)
def test_equals_medpy_on_random_shapes(seed, shape, spacing):
    prediction, truth = blobs(seed, shape), blobs(seed + 1, shape)
    if not prediction.any() or not truth.any():
        return
    found = case_metrics(prediction, truth, spacing, [1])[1]
    p, t = prediction > 0, truth > 0
    assert found["dice"] == pytest.approx(binary.dc(p, t), abs=1e-6)
    assert found["jaccard"] == pytest.approx(binary.jc(p, t), abs=1e-6)
    assert found["hd95"] == pytest.approx(binary.hd95(p, t, spacing), abs=1e-6)
    assert found["asd"] == pytest.approx(binary.asd(p, t, spacing), abs=1e-6)
    assert found["assd"] == pytest.approx(binary.assd(p, t, spacing), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_several_classes_in_one_pass_equal_medpy_class_by_class(seed):
    spacing = (0.7, 1.3, 2.5)
    labels = np.array([0, 3, 17, 255])
    prediction, truth = (labels[blobs(s, (20, 18, 16), 3)] for s in (seed, seed + 100))
    found = case_metrics(prediction, truth, spacing, [255, 3, 17])
    assert list(found) == [255, 3, 17]
    for value, metrics in found.items():
        p, t = prediction == value, truth == value
        expected = (
            binary.dc(p, t),
            binary.jc(p, t),
            binary.hd95(p, t, spacing),
            binary.asd(p, t, spacing),
            binary.assd(p, t, spacing),
            p.sum(),
            t.sum(),
        )
        figures = [metrics[key] for key in ("dice", "jaccard", "hd95", "asd", "assd")]
        assert [*figures, metrics.predicted, metrics.true] == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # surface-distance's
def test_close_to_surface_distance_whose_surface_lies_between_voxels():
    spacing = (0.8, 1.0, 1.5)
    grid = np.indices((40, 40, 30)).astype(float) * np.reshape(spacing, (3, 1, 1, 1))
    truth = ((grid - np.reshape([16, 20, 22], (3, 1, 1, 1))) ** 2).sum(0) < 12**2
    prediction = ((grid - np.reshape([18, 20, 23], (3, 1, 1, 1))) ** 2).sum(0) < 11**2
    found = case_metrics(prediction, truth, spacing, [1])[1]
    between = surface_distance.compute_surface_distances(truth, prediction, spacing)
    to_truth, to_prediction = surface_distance.compute_average_surface_distance(between)[::-1]
    oracle = surface_distance.compute_dice_coefficient(truth, prediction)
    assert found["dice"] == pytest.approx(oracle)
    assert found["asd"] == pytest.approx(to_truth, abs=max(spacing) / 4)
    assert found["assd"] == pytest.approx((to_truth + to_prediction) / 2, abs=max(spacing) / 4)


def test_asd_runs_from_prediction_to_truth():
    truth = np.zeros((24, 8, 8), int)
    truth[2:6, 2:6, 2:6] = truth[18:22, 2:6, 2:6] = 1
    half = truth.copy()
    half[12:] = 0
    assert case_metrics(half, truth, None, [1])[1]["asd"] == 0
    assert case_metrics(truth, half, None, [1])[1]["asd"] > 5


def test_distances_follow_the_spacing():
    truth = blobs(0, (16, 16, 16))
    prediction = np.roll(truth, 1, axis=2)
    voxels = case_metrics(prediction, truth, None, [1])[1]
    millimetres = case_metrics(prediction, truth, (3.0, 3.0, 3.0), [1])[1]
    assert millimetres["hd95"] == pytest.approx(3 * voxels["hd95"])
    assert millimetres["dice"] == voxels["dice"]


def test_a_perfect_prediction():
    truth = blobs(1, (12, 12, 12))
    found = case_metrics(truth, truth, (1, 1, 1), [1])[1]
    perfect = dict.fromkeys(("dice", "jaccard", "nsd"), 1.0)
    keys = [metric.key for metric in METRICS]
    assert found.figures == dict.fromkeys(keys[:8], 0.0) | perfect
    fine = case_metrics(truth, truth, (1, 1, 1), [1], fine=True)[1]
    perfect |= dict.fromkeys(("cldice", "thin_dice", "nsd_fine"), 1.0)
    assert fine.figures == dict.fromkeys(keys, 0.0) | perfect


@pytest.mark.parametrize("empty", ["prediction", "truth"])
def test_distances_to_an_empty_mask_are_undefined_and_overlap_is_zero(empty):
    mask, nothing = np.pad(np.ones((3, 3, 3), int), 2), np.zeros((7, 7, 7), int)
    pair = (nothing, mask) if empty == "prediction" else (mask, nothing)
    found = case_metrics(*pair, None, [1])[1]
    assert (found["dice"], found["jaccard"], found["nsd"]) == (0, 0, 0)
    assert all(math.isnan(d) for d in (found["hd95"], found["asd"], found["assd"]))
    assert found.predicted + found.true == 27


def test_a_class_that_neither_mask_has_is_undefined_altogether():
    mask = np.pad(np.ones((3, 3, 3), int), 2)
    for classes, masks in (([1, 2], mask), ([2], np.zeros_like(mask))):
        absent = case_metrics(masks, masks, None, classes)[2]
        assert all(math.isnan(figure) for figure in absent.figures.values())
        assert (absent.predicted, absent.true) == (0, 0)


def test_values_outside_the_classes_are_background():
    truth = np.full((6, 6, 6), 7)
    truth[2:4, 2:4, 2:4] = 1
    other = np.where(truth == 7, -40000, truth)
    assert case_metrics(truth, other, None, [1])[1]["dice"] == 1


def test_background_can_be_a_class():
    truth = blobs(3, (10, 10, 10))
    prediction = np.roll(truth, 1, axis=0)
    found = case_metrics(prediction, truth, None, [0, 1])[0]
    assert found["dice"] == pytest.approx(binary.dc(prediction == 0, truth == 0))
    assert found["hd95"] == pytest.approx(binary.hd95(prediction == 0, truth == 0))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int32, np.uint16])
def test_any_integer_type(dtype):
    truth, prediction = (blobs(s, (10, 10, 10)).astype(dtype) for s in (4, 5))
    expected = case_metrics(prediction.astype(int), truth.astype(int), None, [1])
    assert repr(case_metrics(prediction, truth, None, [1])) == repr(expected)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        case_metrics(np.zeros((2, 2, 2), int), np.zeros((2, 2, 3), int), None, [1])


def test_nothing_measured_is_undefined():
    assert all(math.isnan(figure) for figure in ClassMetrics().figures.values())


def test_full_size_heart_equals_medpy(data_root):
    path = sorted(data_root.glob("la_h5/*/*/mri_norm2.h5"))[0]
    with h5py.File(path) as file:
        truth = file["label"][:] > 0
    prediction = np.roll(ndimage.binary_erosion(truth, iterations=2), (2, -1, 1), axis=(0, 1, 2))
    spacing = (0.625, 0.625, 1.25)
    found = case_metrics(prediction, truth, spacing, [1])[1]
    assert found["dice"] == pytest.approx(binary.dc(prediction, truth), abs=1e-6)
    assert found["hd95"] == pytest.approx(binary.hd95(prediction, truth, spacing), abs=1e-6)
    assert found["asd"] == pytest.approx(binary.asd(prediction, truth, spacing), abs=1e-6)


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # surface-distance's
@pytest.mark.parametrize("tolerance", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.8, 1.0, 1.5)])
def test_surface_dice_is_close_to_surface_distance_whose_surface_lies_between_voxels(
    spacing, tolerance
):
    """Two surfaces of a smooth body, ours of voxels, theirs of elements between them.

    Ours counts surface voxels and theirs weighs elements by area, and a distance differs by up to
    half a voxel's diagonal: our share lies between theirs at that much less and more.
    """
    shape = tuple(int(40 / size) for size in spacing)
    grid = np.indices(shape).astype(float) * np.reshape(spacing, (3, 1, 1, 1))
    truth = ((grid - np.reshape([18, 20, 20], (3, 1, 1, 1))) ** 2).sum(0) < 14**2
    prediction = ((grid - np.reshape([20, 20, 21], (3, 1, 1, 1))) ** 2).sum(0) < 13**2
    found = case_metrics(prediction, truth, spacing, [1], tolerance=tolerance)[1]["nsd"]
    between = surface_distance.compute_surface_distances(truth, prediction, spacing)
    theirs = [
        surface_distance.compute_surface_dice_at_tolerance(between, t)
        for t in (tolerance - math.hypot(*spacing) / 2, tolerance + math.hypot(*spacing) / 2)
    ]
    assert theirs[0] - 0.02 <= found <= theirs[1] + 0.02


def test_surface_dice_equals_counting_by_hand():
    truth = np.zeros((12, 12, 12), int)
    truth[2:8, 2:8, 2:8] = 1
    prediction = np.roll(truth, 2, axis=0)
    ours, theirs = (
        np.argwhere(m & ~ndimage.binary_erosion(m)) for m in (prediction > 0, truth > 0)
    )
    apart = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(-1))
    for tolerance in (0.0, 1.0, 1.5, 2.0):
        near = (apart.min(1) <= tolerance).sum() + (apart.min(0) <= tolerance).sum()
        found = case_metrics(prediction, truth, None, [1], tolerance=tolerance)[1]["nsd"]
        assert found == pytest.approx(near / (len(ours) + len(theirs)))


def test_volume_is_unknown_where_the_voxels_are_of_unknown_size():
    mask = np.pad(np.ones((3, 3, 3), int), 2)
    assert math.isnan(case_metrics(mask, mask, None, [1])[1]["volume_ml"])
    grown = case_metrics(np.ones_like(mask), mask, (2, 2, 2), [1])[1]
    assert grown["volume_ml"] == pytest.approx((7**3 - 27) * 8 / 1000)
    assert grown["volume_relative"] == pytest.approx((7**3 - 27) / 27)


def test_what_leads_is_the_most_the_least_or_the_nearest_to_nothing():
    by_key = {metric.key: metric for metric in METRICS}
    figures = {0: -0.1, 1: 0.3, 2: math.nan, 3: -0.5}
    assert by_key["dice"].lead(figures) == {1}
    assert by_key["hd95"].lead(figures) == {3}
    assert by_key["volume_relative"].lead(figures) == {0}
    assert by_key["dice"].lead({0: 0.5, 1: 0.5}) == {0, 1}
    assert by_key["dice"].lead({0: math.nan}) == set()


def test_the_reference_tells_of_every_metric():
    page = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| (\w+) \|", page.read_text("utf-8"), re.M
    )
    units = {"distance": "mm or voxel"}
    assert rows == [(m.key, m.name, units.get(m.unit, m.unit), m.better) for m in METRICS]


def test_of_outlined_slices_the_surface_is_that_within_each_slice():
    """Slice by slice as medpy has it in two dimensions, where slices lie far apart."""
    truth, prediction = blobs(3, (24, 24, 9)), blobs(4, (24, 24, 9))
    known = np.zeros(truth.shape, bool)
    known[:, :, 2::4] = True
    found = case_metrics(prediction, truth, (1, 1, 100), [1], known=known)[1]
    both, to_true = [], []
    for z in (2, 6):
        p, t = prediction[:, :, z] > 0, truth[:, :, z] > 0
        there = binary.__surface_distances(p, t, (1, 1))
        both += [*there, *binary.__surface_distances(t, p, (1, 1))]
        to_true += [*there]
    assert found["asd"] == pytest.approx(np.mean(to_true))
    assert found["hd95"] == pytest.approx(np.percentile(both, 95))
    p, t = (prediction > 0)[known], (truth > 0)[known]
    assert found["dice"] == pytest.approx(binary.dc(p, t))
    assert found.predicted == p.sum()


def test_knowing_everything_is_knowing_as_before():
    prediction, truth = blobs(5, (14, 15, 16), 2), blobs(6, (14, 15, 16), 2)
    plain = case_metrics(prediction, truth, (1, 2, 3), [1, 2])
    known = case_metrics(prediction, truth, (1, 2, 3), [1, 2], known=np.ones(truth.shape, bool))
    assert known == plain
