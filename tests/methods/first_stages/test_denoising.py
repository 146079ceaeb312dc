"""Noise in the patch's own measure, and what is left of it."""

import numpy as np
import torch

from crln.methods.first_stages.denoising import cleaning_error, with_noise


def test_noise_is_a_share_of_each_patchs_own_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 1, 20, 20, 20, generator=generator)
    images *= torch.tensor([1.0, 10.0, 0.1, 3.0]).view(4, 1, 1, 1, 1)
    inside = torch.ones(4, 20, 20, 20, dtype=torch.bool)
    inside[:, :5] = False
    images[:, :, :5] = 99  # outside the scan: does not count
    noisy, spread = with_noise(images, inside, generator)
    own = images[:, :, 5:].numpy().std(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(spread.flatten(), own, rtol=1e-4)
    shares = (noisy - images).numpy().std(axis=(1, 2, 3, 4)) / own
    assert (shares > 0.09).all()
    assert (shares < 0.61).all()
    assert shares.std() > 0.02


def test_the_error_is_squared_in_variances_and_counts_in_the_scan() -> None:
    generator = torch.Generator().manual_seed(1)
    found, images = torch.randn(2, 2, 1, 3, 4, 5, generator=generator)
    inside = torch.rand(2, 3, 4, 5, generator=generator) < 0.5
    spread = torch.tensor([2.0, 0.5]).view(2, 1, 1, 1, 1)
    scaled = ((found - images) / spread).square()[:, 0].numpy()
    error = cleaning_error(found, images, inside, spread)
    np.testing.assert_allclose(error, scaled[inside.numpy()].mean(), rtol=1e-5)
