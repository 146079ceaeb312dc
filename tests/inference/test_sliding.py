from itertools import product
from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from crln.inference import score_slabs, sliding_window
from crln.inference.sliding import BATCH
from crln.labels import LabelSpace
from crln.planning import Plan

SHAPES = [(37, 21, 50), (50, 18, 20), (10, 40, 15), (7, 9, 11), (16, 16, 16)]


def make_plan(patch: tuple[int, int, int] = (16, 16, 16), **inference: object) -> Plan:
    names = ("background", "one", "two")
    return Plan(labels=LabelSpace((0, 1, 2), names), patch_size=patch, inference=inference)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv3d(3, 3, 3, padding=1)
    ).eval()


def whole(network: nn.Module, image: Tensor | np.ndarray, plan: Plan, **options: str) -> np.ndarray:
    """All slabs, put together."""
    result = np.full((plan.classes, *image.shape[1:]), np.nan, np.float32)
    reached = 0
    for slab in score_slabs(network, image, plan, **options):
        assert slab.start == reached
        reached += slab.scores.shape[slab.axis + 1]
        result[(slice(None), *slab.index)] = slab.scores.numpy()
    return result


@torch.no_grad()
def monai(network: nn.Module, image: Tensor, plan: Plan) -> np.ndarray:
    mode = "gaussian" if plan.inference.weighting == "gaussian" else "constant"
    scores = sliding_window_inference(
        image[None], plan.patch_size, 1, lambda x: network(x).softmax(1),
        plan.inference.overlap, mode=mode,
    )  # fmt: skip
    return scores[0].numpy()


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["uniform", "gaussian"])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_as_monai(network: nn.Module, shape: tuple[int, ...], weighting: str) -> None:
    plan = make_plan(weighting=weighting, overlap=0.6)
    image = torch.randn(1, *shape)
    np.testing.assert_allclose(whole(network, image, plan), monai(network, image, plan), atol=1e-6)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    shape=st.tuples(*[st.integers(3, 40)] * 3), overlap=st.sampled_from([0.0, 0.3, 0.5, 0.75]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_same_as_monai_on_any_shape(shape: tuple[int, ...], overlap: float, seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.Conv3d(2, 3, 3, padding=1)
    plan = make_plan(patch=(16, 16, 32), overlap=overlap)
    image = torch.randn(2, *shape)
    ours, theirs = whole(network, image, plan), monai(network, image, plan)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours.sum(0), 1, atol=1e-5)


def test_same_as_a_plain_loop(network: nn.Module) -> None:
    plan = make_plan(stride=(9, 5, 11), weighting="uniform")
    image = torch.randn(1, 30, 17, 27)
    total, count = torch.zeros(3, 30, 17, 27), torch.zeros(30, 17, 27)
    for x, y, z in product([0, 9, 14], [0, 1], [0, 11]):
        box = (slice(x, x + 16), slice(y, y + 16), slice(z, z + 16))
        with torch.no_grad():
            total[(slice(None), *box)] += network(image[(None, slice(None), *box)])[0].softmax(0)
        count[box] += 1
    np.testing.assert_allclose(whole(network, image, plan), (total / count).numpy(), atol=1e-6)


def test_argmax_slab_by_slab_is_that_of_the_whole(network: nn.Module) -> None:
    plan, image = make_plan(), torch.randn(1, 29, 40, 18)
    mask = sliding_window(network, image.numpy(), plan)
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, whole(network, image, plan).argmax(0))


def test_mirroring_averages_over_all_flips(network: nn.Module) -> None:
    plan, image = make_plan(mirror_axes=(0, 2)), torch.randn(1, 16, 16, 16)
    expected = torch.zeros(3, 16, 16, 16)
    with torch.no_grad():
        for axes in [(), (2,), (4,), (2, 4)]:
            expected += network(image[None].flip(axes)).softmax(1).flip(axes)[0] / 4
    np.testing.assert_allclose(whole(network, image, plan), expected.numpy(), atol=1e-6)


def test_batches_of_windows_change_nothing(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, image = make_plan(), torch.randn(1, 40, 30, 20)
    one = whole(network, image, plan)
    monkeypatch.setitem(BATCH, "cpu", 4)
    np.testing.assert_allclose(whole(network, image, plan), one, atol=1e-6)


def test_windows_side_by_side_change_nothing(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, image = make_plan(), torch.randn(1, 40, 30, 20)
    several = whole(network, image, plan)
    assert np.array_equal(whole(network, image, plan), several)
    monkeypatch.setattr("crln.inference.sliding.WORKERS", 1)
    np.testing.assert_allclose(whole(network, image, plan), several, atol=1e-6)


def test_a_window_alone_has_all_threads(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pool is made, whose one busy worker would have its share of the threads only."""

    def refused(*_: object) -> None:
        raise AssertionError("a pool for one window")

    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # with one there is never a pool
    monkeypatch.setattr("crln.inference.sliding.ThreadPoolExecutor", refused)
    try:
        whole(network, torch.randn(1, 12, 16, 10), make_plan())
        with pytest.raises(AssertionError, match="a pool"):
            whole(network, torch.randn(1, 40, 30, 20), make_plan())
    finally:
        torch.set_num_threads(threads)


def threads_of_a_new_thread() -> int:
    seen = []
    thread = Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


def test_threads_are_given_back(network: nn.Module) -> None:
    plan, image = make_plan(), torch.randn(1, 40, 30, 20)
    before = torch.get_num_threads(), threads_of_a_new_thread()
    slabs = score_slabs(network, image, plan)
    next(slabs)
    slabs.close()
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == before


def test_a_fault_in_the_network_is_raised(network: nn.Module) -> None:
    with pytest.raises(RuntimeError, match="channels"):
        sliding_window(network, torch.zeros(2, 40, 30, 20), make_plan())


def test_half_precision_is_near(network: nn.Module) -> None:
    plan, image = make_plan(), torch.randn(1, 20, 20, 20)
    half = whole(network, image, plan, precision="bf16")
    np.testing.assert_allclose(half, whole(network, image, plan), atol=0.03)
    assert not np.array_equal(half, whole(network, image, plan))


def test_memory_is_one_slab(network: nn.Module) -> None:
    """No slab is thicker than the window, however long the scan."""
    plan, image = make_plan(), torch.zeros(1, 16, 16, 200)
    slabs = [(slab.axis, slab.scores.shape) for slab in score_slabs(network, image, plan)]
    assert {axis for axis, _ in slabs} == {2}
    assert max(shape[3] for _, shape in slabs) <= 16
