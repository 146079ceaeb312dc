import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map, dense_patch_slices

from crln.inference.window import Tiling, window_starts, window_stride, window_weights
from crln.planning.plan import InferencePlan

CPU = torch.device("cpu")


@given(length=st.integers(16, 90), stride=st.integers(1, 16))
def test_starts_are_monais(length: int, stride: int) -> None:
    theirs = [s[0].start for s in dense_patch_slices((length,), (16,), (stride,))]
    assert window_starts(length, 16, stride) == theirs


def test_last_window_is_shifted_to_the_border() -> None:
    assert window_starts(30, 16, 10) == [0, 10, 14]
    assert window_starts(36, 16, 10) == [0, 10, 20]
    assert window_starts(16, 16, 10) == [0]


def test_stride_wins_over_overlap_and_never_leaves_a_gap() -> None:
    patch = (16, 32, 48)
    assert window_stride(InferencePlan(overlap=0.5), patch) == (8, 16, 24)
    assert window_stride(InferencePlan(overlap=0.99), patch) == (1, 1, 1)
    assert window_stride(InferencePlan(stride=(18, 18, 4), overlap=0.5), patch) == (16, 18, 4)


@settings(deadline=None, max_examples=40)
@given(shape=st.tuples(*[st.integers(1, 60)] * 3), stride=st.tuples(*[st.integers(1, 32)] * 3))
def test_every_voxel_is_in_a_window(shape: tuple[int, int, int], stride: tuple[int, ...]) -> None:
    tiling = Tiling.of(shape, (16, 16, 32), InferencePlan(stride=stride))
    assert all(p >= side for p, side in zip(tiling.padded, (16, 16, 32), strict=True))
    seen = np.zeros(tiling.padded, int)
    corners = [corner for _, group in tiling.along(tiling.slab_axis) for corner in group]
    assert len(corners) == tiling.count == len(set(corners))
    for x, y, z in corners:
        assert x + 16 <= tiling.padded[0]
        seen[x : x + 16, y : y + 16, z : z + 32] += 1
    assert seen.min() >= 1


def test_margin_is_symmetrical_and_groups_ascend() -> None:
    tiling = Tiling.of((11, 40, 50), (16, 16, 16), InferencePlan())
    assert tiling.margin == ((2, 3), (0, 0), (0, 0))
    assert tiling.slab_axis == 2
    starts = [start for start, _ in tiling.along(2)]
    assert starts == sorted(starts) == [0, 8, 16, 24, 32, 34]


def test_weights() -> None:
    patch = (16, 8, 12)
    uniform = window_weights(InferencePlan(weighting="uniform"), patch, CPU)
    assert uniform.shape == patch
    assert (uniform == 1).all()
    gaussian = window_weights(InferencePlan(weighting="gaussian"), patch, CPU).numpy()
    axes = [np.exp(-((np.arange(n) - (n - 1) / 2) ** 2) / (2 * (n / 8) ** 2)) for n in patch]
    expected = np.maximum(np.einsum("x,y,z->xyz", *axes), 1e-3)
    np.testing.assert_allclose(gaussian, expected, rtol=1e-5)


@pytest.mark.parametrize(("weighting", "mode"), [("uniform", "constant"), ("gaussian", "gaussian")])
@pytest.mark.parametrize("patch", [(16, 8, 12), (7, 33, 1), (112, 112, 80)])
def test_weights_are_monais(weighting: str, mode: str, patch: tuple[int, int, int]) -> None:
    theirs = compute_importance_map(patch, mode=mode, sigma_scale=0.125)
    plan = InferencePlan.model_validate({"weighting": weighting})
    np.testing.assert_array_equal(window_weights(plan, patch, CPU), theirs)


@pytest.mark.parametrize(("plan", "windows"), [({"stride": (18, 18, 4)}, 72), ({}, 12)])
def test_windows_of_a_heart_scan(plan: dict[str, tuple[int, ...]], windows: int) -> None:
    tiling = Tiling.of((200, 150, 88), (112, 112, 80), InferencePlan(**plan))
    assert tiling.count == windows
