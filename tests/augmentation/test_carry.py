import numpy as np
import pytest
import torch
from scipy import ndimage

from crln.augmentation import Box, CutMix
from crln.augmentation.carry import carry_whole

BOX = Box((0, 0, 0), (6, 6, 6))


def batch() -> torch.Tensor:
    """Of two patches of 16 x 16 x 8; the second holds parts that fit a box of 6^3, and others."""
    structures = torch.zeros(2, 16, 16, 8, dtype=torch.int64)
    structures[1, 2:5, 3:6, 2:4] = 1
    structures[1, 9:13, 9:11, 1:6] = 2
    structures[1, 2:14, 13, 6] = 1  # too long
    structures[1, 0, 0, 0] = 3  # at the end of the patch, where more of it may follow
    return structures


def moved(structures: torch.Tensor, box: Box | None = BOX, seed: int = 0) -> CutMix:
    return carry_whole(CutMix((box, None), (1, 0)), structures, np.random.default_rng(seed))


def test_every_box_holds_a_part_that_is_whole_and_cuts_none_that_it_came_for() -> None:
    structures = batch()
    labels, count = ndimage.label(structures[1].numpy(), np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, count + 1))
    taken, places = set(), set()
    for seed in range(60):
        mix = moved(structures, seed=seed)
        box = mix.boxes[0]
        assert box is not None
        assert [b - a for a, b in zip(box.start, box.stop, strict=True)] == [6, 6, 6]
        assert min(box.start) >= 0
        assert all(stop <= n for stop, n in zip(box.stop, labels.shape, strict=True))
        inside = labels[box.slices]
        whole = {k for k in range(1, count + 1) if (inside == k).sum() == sizes[k - 1]}
        kinds = {int(structures[1][box.slices][inside == k].max()) for k in whole}
        assert kinds & {1, 2}
        taken |= kinds
        places.add(box.start)
    assert {1, 2} <= taken
    assert len(places) > 20


@pytest.mark.parametrize("empty", [True, False])
def test_without_a_part_that_fits_the_box_stays(empty: bool) -> None:
    structures = torch.zeros_like(batch()) if empty else torch.ones_like(batch())
    assert moved(structures).boxes == (BOX, None)
    assert moved(batch(), None).boxes == (None, None)


def test_along_an_axis_that_the_box_spans_a_part_may_reach_the_end() -> None:
    structures = torch.zeros(2, 16, 16, 8, dtype=torch.int64)
    structures[1, 10:12, 10:12] = 1
    assert moved(structures).boxes[0] == BOX
    box = moved(structures, Box((0, 0, 0), (6, 6, 8))).boxes[0]
    assert box is not None
    assert structures[1][box.slices].sum() == structures[1].sum()
