"""Which voxels are hidden, and what an error there costs."""

import numpy as np
import torch

from crln.methods.first_stages.masked import hidden_blocks, masked_error


def test_whole_blocks_are_hidden_and_as_many_in_every_patch() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(3, 2, 8, 6, 5)
    hidden = hidden_blocks(images, (4, 2, 2), 0.5, generator).numpy()
    assert hidden.shape == (3, 1, 8, 6, 5)
    counts = []
    for patch in hidden[:, 0]:
        blocks = [
            patch[x : x + 4, y : y + 2, z : z + 2]
            for x in (0, 4) for y in (0, 2, 4) for z in (0, 2, 4)
        ]  # fmt: skip
        assert all(block.all() or not block.any() for block in blocks)
        counts.append(sum(bool(block.any()) for block in blocks))
    assert counts == [9, 9, 9]
    assert not np.array_equal(hidden[0], hidden[1])


def test_something_is_shown_and_something_hidden_of_few_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    for share in (0.0, 1.0):
        hidden = hidden_blocks(torch.zeros(1, 1, 4, 4, 1), (2, 4, 1), share, generator)
        assert 0 < hidden.sum() < hidden.numel()


def test_the_error_is_that_of_what_counts() -> None:
    generator = torch.Generator().manual_seed(1)
    found, images = torch.randn(2, 2, 2, 3, 4, 5, generator=generator)
    counted = torch.rand(2, 1, 3, 4, 5, generator=generator) < 0.5
    mask = counted.expand_as(images).numpy()
    expected = np.abs(found.numpy() - images.numpy())[mask].mean()
    np.testing.assert_allclose(masked_error(found, images, counted), expected, rtol=1e-5)
