"""Supervoxels follow what is in the image, stay near their cell, and know the scan's border."""

import numpy as np
import torch

from crln.labels import IGNORE
from crln.methods.first_stages.supervoxels import cell_sides, supervoxels


def test_cells_are_a_quarter_of_the_patch_and_at_most_a_coarse_voxel() -> None:
    assert cell_sides((96, 96, 32), (16, 16, 8)) == (16, 16, 8)
    assert cell_sides((32, 16, 1), (16, 16, 1)) == (8, 4, 1)


def test_an_even_patch_keeps_its_grid() -> None:
    images, inside = torch.zeros(1, 1, 8, 8, 4), torch.ones(1, 8, 8, 4, dtype=torch.bool)
    found = supervoxels(images, inside, (4, 4, 2))[0].numpy()
    x, y, z = np.indices((8, 8, 4))
    np.testing.assert_array_equal(found, (x // 4 * 2 + y // 4) * 2 + z // 2)


def test_supervoxels_keep_to_one_side_of_an_edge() -> None:
    """It lies across the cells; thick slices and several channels, of which one is flat."""
    generator = torch.Generator().manual_seed(0)
    bright = torch.arange(16)[:, None, None] + torch.arange(16)[:, None] > 13
    bright = bright.expand(16, 16, 4)
    images = torch.stack([4.0 * bright, torch.zeros(16, 16, 4)])[None]
    images = images + 0.05 * torch.randn(images.shape, generator=generator)
    inside = torch.ones(1, 16, 16, 4, dtype=torch.bool)
    found = supervoxels(images, inside, (4, 4, 2))[0]
    mixed = 0
    for number in found.unique():
        share = float(bright[found == number].float().mean())
        mixed += int(min(share, 1 - share) * int((found == number).sum()))
    grid = supervoxels(torch.zeros_like(images), inside, (4, 4, 2))[0]
    before = 0
    for number in grid.unique():
        share = float(bright[grid == number].float().mean())
        before += int(min(share, 1 - share) * int((grid == number).sum()))
    assert mixed < 0.25 * before


def test_outside_the_scan_is_no_supervoxel_and_patches_are_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 1, 8, 8, 1, generator=generator)
    inside = torch.ones(2, 8, 8, 1, dtype=torch.bool)
    inside[0, :3] = False
    found = supervoxels(images, inside, (2, 2, 1))
    assert (found[0, :3] == IGNORE).all()
    assert (found[0, 3:] != IGNORE).all()
    alone = supervoxels(images[1:], inside[1:], (2, 2, 1))
    assert torch.equal(found[1:], alone)
    garbage = images.clone()
    garbage[0, :, :2] = 1e3  # beyond what is smoothed into the scan
    assert torch.equal(found[0, 5:], supervoxels(garbage, inside, (2, 2, 1))[0, 5:])
