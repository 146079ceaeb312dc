import numpy as np
import torch

from crln.augmentation import intensity
from crln.augmentation.recipe import Recipe, RichOptions, Tint, draw_tint

OPTIONS = RichOptions()
ALWAYS = Recipe(
    noise=1, blur=1, brightness=1, contrast=1, low_resolution=1, inverted_gamma=1, gamma=1
)


def test_weak_view_keeps_intensities() -> None:
    random = np.random.default_rng(0)
    assert all(draw_tint(OPTIONS, OPTIONS.weak, random, (8, 8, 8)) == Tint() for _ in range(50))


def test_drawn_numbers_stay_in_their_ranges() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        tint = draw_tint(OPTIONS, ALWAYS, random, (40, 32, 16), coarse_axes=(2,))
        assert tint.noise is not None
        assert 0 <= tint.noise <= 0.1
        assert all(0.5 <= sigma <= 1 for sigma in tint.blur or [0])
        assert all(0.75 <= f <= 1.25 for f in (tint.brightness or 0, tint.contrast or 0))
        assert all(0.7 <= f <= 1.5 for f in (tint.inverted_gamma or 0, tint.gamma or 0))
        x, y, z = tint.low_resolution or (0, 0, 0)
        assert 20 <= x <= 40
        assert abs(y / 32 - x / 40) < 0.04
        assert z == 16


def test_each_change_comes_as_often_as_the_recipe_says() -> None:
    random = np.random.default_rng(0)
    tints = [draw_tint(OPTIONS, OPTIONS.labelled, random, (16, 16, 16)) for _ in range(4000)]
    for name in vars(Tint()):
        share = np.mean([getattr(tint, name) is not None for tint in tints])
        assert abs(share - getattr(OPTIONS.labelled, name)) < 0.02, name


def test_tint_applies_all_in_order() -> None:
    channel = torch.randn(8, 8, 8)
    tint = Tint(0.05, (0.5, 0.6, 0.7), 1.1, 0.9, (5, 6, 8), 0.8, 1.3)
    expected = intensity.add_noise(channel, 0.05, torch.Generator().manual_seed(1))
    expected = 1.1 * intensity.blur(expected, (0.5, 0.6, 0.7))
    expected = intensity.scale_contrast(expected, 0.9)
    expected = intensity.low_resolution(expected, (5, 6, 8))
    expected = intensity.gamma(expected, 0.8, invert=True)
    expected = intensity.gamma(expected, 1.3)
    torch.testing.assert_close(tint(channel, torch.Generator().manual_seed(1)), expected)


def test_empty_tint_is_the_channel_itself() -> None:
    channel = torch.randn(4, 4, 4)
    assert Tint()(channel, torch.Generator()) is channel


def test_ranges_are_options() -> None:
    options = RichOptions(gamma=(0.2, 3.0), noise=(5.0, 6.0))
    tint = draw_tint(options, ALWAYS, np.random.default_rng(0), (8, 8, 8))
    assert 5 <= (tint.noise or 0) <= 6
    gammas = [
        draw_tint(options, ALWAYS, np.random.default_rng(seed), (8, 8, 8)).gamma or 1
        for seed in range(50)
    ]
    assert min(gammas) < 0.5
    assert max(gammas) > 2
