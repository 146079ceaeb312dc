from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from crln.augmentation import intensity


def noisy(channel: Tensor) -> Tensor:
    return intensity.add_noise(channel, 0.1, torch.Generator().manual_seed(0))


CHANGES = [
    noisy,
    lambda c: intensity.blur(c, (0.5, 0.7, 1.0)),
    lambda c: intensity.low_resolution(c, (7, 10, 5)),
    lambda c: intensity.scale_contrast(c, 1.2),
    lambda c: intensity.gamma(c, 0.7),
    lambda c: intensity.gamma(c, 1.4, invert=True),
]


@pytest.fixture
def channel() -> Tensor:
    return torch.randn(12, 10, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("change", CHANGES)
def test_scale_and_offset_of_the_values_do_not_matter(
    change: Callable[[Tensor], Tensor], channel: Tensor
) -> None:
    """A z-scored and a min-max scaled copy of one patch get the same picture."""
    expected = 0.15 * change(channel) + 0.4
    torch.testing.assert_close(change(0.15 * channel + 0.4), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("change", CHANGES)
def test_input_stays_and_constant_patch_stays_finite(
    change: Callable[[Tensor], Tensor], channel: Tensor
) -> None:
    kept = channel.clone()
    assert not torch.equal(change(channel), kept)
    assert torch.equal(channel, kept)
    constant = torch.full((4, 4, 4), 2.0)
    if change not in CHANGES[2:3]:
        torch.testing.assert_close(change(constant), constant)


def test_noise_has_the_asked_share_of_the_spread() -> None:
    channel = 7 * torch.randn(40, 40, 40) + 100
    noise = noisy(channel) - channel
    assert abs(noise.std() - 0.7) < 0.02
    assert abs(noise.mean()) < 0.02


def test_blur_against_scipy(channel: Tensor) -> None:
    sigmas = (0.5, 0.8, 1.0)
    settings = {"mode": "constant", "truncate": 20}
    blurred = ndimage.gaussian_filter(channel.numpy(), sigmas, **settings)
    weight = ndimage.gaussian_filter(np.ones_like(channel), sigmas, **settings)
    np.testing.assert_allclose(intensity.blur(channel, sigmas), blurred / weight, atol=1e-5)


@pytest.mark.parametrize("sides", [(7, 6, 5), (12, 10, 8), (9, 5, 8)])
def test_low_resolution_against_interpolate(channel: Tensor, sides: tuple[int, ...]) -> None:
    small = F.interpolate(channel[None, None], size=sides, mode="nearest-exact")
    expected = F.interpolate(small, size=channel.shape, mode="trilinear")[0, 0]
    torch.testing.assert_close(intensity.low_resolution(channel, sides), expected)


@pytest.mark.parametrize("factor", [0.75, 1.25])
def test_contrast_against_numpy(channel: Tensor, factor: float) -> None:
    values = channel.numpy()
    expected = np.clip(
        (values - values.mean()) * factor + values.mean(), values.min(), values.max()
    )
    np.testing.assert_allclose(intensity.scale_contrast(channel, factor), expected, atol=1e-5)


@pytest.mark.parametrize("exponent", [0.7, 1.5])
@pytest.mark.parametrize("invert", [False, True])
def test_gamma_against_numpy(channel: Tensor, exponent: float, invert: bool) -> None:
    values = channel.double().numpy() * (-1 if invert else 1)
    span = values.max() - values.min()
    curved = ((values - values.min()) / span) ** exponent * span + values.min()
    curved = (curved - curved.mean()) / curved.std() * values.std() + values.mean()
    expected = curved * (-1 if invert else 1)
    result = intensity.gamma(channel, exponent, invert=invert)
    np.testing.assert_allclose(result, expected, atol=1e-4)
