import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crln.augmentation import (
    IN_PLANE,
    SOLID,
    Box,
    CutMix,
    draw_copy_paste_box,
    draw_cutmix,
    draw_cutmix_box,
    swap_box,
)

shapes = st.tuples(*[st.integers(1, 20)] * 3)


def inside(box: Box, voxel: tuple[int, ...]) -> bool:
    return all(a <= v < b for a, v, b in zip(box.start, voxel, box.stop, strict=True))


@given(shapes, st.integers(0, 1000), st.sampled_from([IN_PLANE, SOLID]))
def test_boxes_lie_wholly_inside(shape: tuple[int, int, int], seed: int, axes: tuple) -> None:
    random = np.random.default_rng(seed)
    for box in (draw_cutmix_box(random, shape, axes), draw_copy_paste_box(random, shape)):
        for start, stop, side in zip(box.start, box.stop, shape, strict=True):
            assert 0 <= start < stop <= side


def test_in_plane_box_takes_the_share_of_beta_4_4() -> None:
    random = np.random.default_rng(0)
    shape = (1000, 500, 7)
    boxes = [draw_cutmix_box(random, shape) for _ in range(3000)]
    sides = np.array([np.subtract(box.stop, box.start) for box in boxes])
    assert (sides[:, 2] == 7).all()
    np.testing.assert_allclose(sides[:, 0] / 1000, sides[:, 1] / 500, atol=2e-3)
    share = (sides[:, 0] / 1000) ** 2  # = 1 - lambda, Beta(4, 4): mean 1/2, variance 1/36
    assert abs(share.mean() - 0.5) < 0.01
    assert abs(share.var() - 1 / 36) < 0.002
    room = 1000 - sides[:, 0]
    assert abs(np.mean([b.start[0] for b in boxes] / room) - 0.5) < 0.02


def test_solid_box_has_one_fraction_along_all_axes() -> None:
    box = draw_cutmix_box(np.random.default_rng(3), (1000, 1000, 1000), SOLID)
    assert len(set(np.subtract(box.stop, box.start))) == 1
    assert box.start[2] > 0


def test_copy_paste_box_takes_two_thirds_of_every_side() -> None:
    box = draw_copy_paste_box(np.random.default_rng(0), (112, 112, 80))
    assert np.subtract(box.stop, box.start).tolist() == [74, 74, 53]


def test_mask_is_true_inside_only() -> None:
    box = Box((1, 0, 2), (3, 2, 4))
    mask = box.mask((4, 3, 5))
    for voxel in np.ndindex(4, 3, 5):
        assert mask[voxel] == inside(box, voxel)


def test_swap_exchanges_the_inside_and_leaves_its_inputs() -> None:
    first, second = torch.randn(2, 3, 4, 5, 6), torch.randn(2, 3, 4, 5, 6)
    kept = first.clone(), second.clone()
    box = Box((1, 2, 0), (3, 5, 4))
    a, b = swap_box(first, second, box)
    mask = box.mask((4, 5, 6))
    assert torch.equal(a, torch.where(mask, kept[1], kept[0]))
    assert torch.equal(b, torch.where(mask, kept[0], kept[1]))
    assert torch.equal(first, kept[0])
    assert torch.equal(second, kept[1])


@pytest.mark.parametrize("extra", [(), (2,)])
def test_cutmix_against_loops(extra: tuple[int, ...]) -> None:
    shape = (5, 6, 4)
    batch = torch.randn(3, *extra, *shape)
    mix = draw_cutmix(np.random.default_rng(1), 3, shape, probability=0.7)
    assert None in mix.boxes  # the seed gives both cases
    mixed = mix(batch)
    for b, (box, partner) in enumerate(zip(mix.boxes, mix.partners, strict=True)):
        for voxel in np.ndindex(*shape):
            source = partner if box is not None and inside(box, voxel) else b
            assert torch.equal(mixed[b][(..., *voxel)], batch[source][(..., *voxel)])


def test_cutmix_keeps_layout_and_input() -> None:
    batch = torch.randn(2, 3, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    kept = batch.clone()
    mixed = CutMix((Box((0, 0, 0), (2, 2, 4)), None), (1, 0))(batch)
    assert mixed.is_contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(batch, kept)
    assert not torch.equal(mixed[0], kept[0])


@given(st.integers(2, 6), st.integers(0, 100))
def test_partners_are_others_and_each_gives_once(batch: int, seed: int) -> None:
    mix = draw_cutmix(np.random.default_rng(seed), batch, (4, 4, 4))
    assert sorted(mix.partners) == list(range(batch))
    assert all(partner != sample for sample, partner in enumerate(mix.partners))
    assert None not in mix.boxes


def test_batch_of_one_is_never_mixed() -> None:
    assert draw_cutmix(np.random.default_rng(0), 1, (4, 4, 4)).boxes == (None,)
