import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from crln.labels import IGNORE, LabelSpace
from crln.losses import criteria_of, detail_loss, fine_axes
from crln.losses.detail import (
    DETAILS,
    centreline_dice_loss,
    dilate,
    erode,
    peel,
    soft_skeleton,
    surface_dice_loss,
    thinness,
)

ALL = (0, 1, 2)


def _maps(*masks: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(masks)[None].astype(np.float32))


def _blobs(seed: int, shape: tuple[int, int, int] = (14, 15, 16)) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return field > 0.05


def _rod(width: int, length: int = 14) -> np.ndarray:
    mask = np.zeros((12, 12, 18), bool)
    mask[3 : 3 + width, 3 : 3 + width, 2 : 2 + length] = True
    return mask


@pytest.mark.parametrize("sloped", [False, True])
@pytest.mark.parametrize("axes", [ALL, (0, 1)])
def test_neighbours_are_those_of_scipy(axes: tuple[int, ...], sloped: bool) -> None:
    soft = np.random.default_rng(0).random((6, 7, 8)).astype(np.float32)
    size = [3 if a in axes else 1 for a in range(3)]
    cross = np.zeros(size, bool)
    for axis in axes:
        line = [slice(None) if a == axis else slice(n // 2, n // 2 + 1) for a, n in enumerate(size)]
        cross[tuple(line)] = True
    x = _maps(soft).requires_grad_(sloped)
    largest = ndimage.maximum_filter(soft, size, mode="nearest")
    np.testing.assert_array_equal(dilate(x, axes)[0, 0].detach(), largest)
    smallest = ndimage.minimum_filter(soft, size, mode="nearest")
    np.testing.assert_array_equal(erode(x, axes)[0, 0].detach(), smallest)
    layer = ndimage.minimum_filter(soft, footprint=cross, mode="nearest")
    np.testing.assert_array_equal(peel(x, axes)[0, 0].detach(), layer)


def test_a_skeleton_is_what_openings_take_away_of_every_layer() -> None:
    mask = _blobs(1)
    cross = ndimage.generate_binary_structure(3, 1)
    expected = np.zeros_like(mask)
    layer = mask
    for _ in range(6):
        inner = ndimage.binary_erosion(layer, cross, border_value=1)
        expected |= layer & ~ndimage.binary_dilation(inner, np.ones((3, 3, 3)))
        layer = inner
    np.testing.assert_array_equal(soft_skeleton(_maps(mask), ALL)[0, 0], expected)


def test_centreline_dice_forgives_width_and_not_a_gap() -> None:
    truth = _rod(3)
    broken = truth.copy()
    broken[:, :, 6:12] = False
    wide = ndimage.binary_dilation(truth)
    loss = [centreline_dice_loss(_maps(mask), _maps(truth), ALL) for mask in (truth, wide, broken)]
    assert loss[0] == 0
    assert loss[1] < 0.1 < loss[2]


def test_surface_dice_forgives_one_voxel_and_not_three() -> None:
    truth = _rod(5, 8)
    shifted = [np.roll(truth, by, 0) for by in (0, 1, 3)]
    loss = [surface_dice_loss(_maps(mask), _maps(truth), ALL).item() for mask in shifted]
    assert loss[0] == loss[1] == 0
    assert loss[2] > 0.2


@pytest.mark.parametrize(("width", "expected"), [(1, 2), (2, 2), (3, 1), (4, 1), (5, 0), (6, 0)])
def test_thinness_falls_with_the_width(width: int, expected: int) -> None:
    rod = _maps(_rod(width))
    assert set(thinness(rod, ALL)[rod > 0].tolist()) == {expected}


def test_across_thick_slices_nothing_is_thin() -> None:
    assert fine_axes((96, 96, 8), (2.5, 2.5, 10.0)) == (0, 1)
    assert fine_axes((96, 96, 1), (1.0, 1.0, 1.0)) == (0, 1)
    assert fine_axes((96, 96, 1), (1.0, 1.0, 0.1)) == (0, 1)
    assert fine_axes((8, 8, 8), None) == ALL
    slice_alone = np.zeros((12, 12, 6), bool)
    slice_alone[2:10, 2:10, 3] = True
    assert not thinness(_maps(slice_alone), (0, 1)).any()
    assert thinness(_maps(slice_alone), ALL).any()


@pytest.mark.slow
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", DETAILS)
def test_a_term_falls_where_the_outline_gets_better_and_skips_what_nobody_knows(
    name: str, exclusive: bool
) -> None:
    space = LabelSpace.of([0, 1, 2], {}, exclusive=exclusive)
    criteria = criteria_of(space)
    classes = np.zeros((12, 12, 18), np.int64)
    classes[_rod(2)] = 1
    classes[8:11, 8:11, 3:15] = 2
    target = torch.from_numpy(classes)[None]
    good = torch.stack([criteria.held(target)[:, k] for k in range(3)], 1).float() * 8 - 4
    poor = good.roll(4, 4).requires_grad_()
    losses = [detail_loss([name], criteria, logits, target, ALL) for logits in (good, poor)]
    assert losses[0] < losses[1]
    losses[1].backward()
    assert poor.grad is not None
    assert poor.grad.abs().sum() > 0

    unknown = target.clone()
    unknown[..., 9:] = IGNORE
    logits = poor.detach().clone().requires_grad_()
    detail_loss([name], criteria, logits, unknown, ALL).backward()
    assert logits.grad is not None
    assert not logits.grad[..., 9:].any()
    none = torch.full_like(target, IGNORE)
    assert detail_loss([name], criteria, poor, none, ALL).item() == pytest.approx(0, abs=1e-6)
