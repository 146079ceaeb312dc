import numpy as np
import torch

from crln.augmentation.views import device_generator, factor, happens, host_random


def test_successive_calls_differ_and_equal_seeds_agree() -> None:
    def draws(seed: int) -> list[float]:
        generator = torch.Generator().manual_seed(seed)
        return [host_random(generator).random() for _ in range(3)]

    assert draws(5) == draws(5)
    assert len({*draws(5), *draws(6)}) == 6


def test_noise_generator_follows_the_host() -> None:
    def noise(seed: int) -> torch.Tensor:
        generator = device_generator(np.random.default_rng(seed), torch.device("cpu"))
        return torch.empty(4).normal_(generator=generator)

    assert torch.equal(noise(1), noise(1))
    assert not torch.equal(noise(1), noise(2))


def test_happens_as_often_as_asked() -> None:
    random = np.random.default_rng(0)
    assert abs(np.mean([happens(random, 0.3) for _ in range(4000)]) - 0.3) < 0.03
    assert not any(happens(random, 0.0) for _ in range(100))
    assert all(happens(random, 1.0) for _ in range(100))


def test_factor_falls_on_either_side_equally_often() -> None:
    random = np.random.default_rng(0)
    factors = np.array([factor(random, 0.7, 1.5) for _ in range(4000)])
    assert factors.min() >= 0.7
    assert factors.max() <= 1.5
    assert abs((factors < 1).mean() - 0.5) < 0.03
    assert abs(factors[factors > 1].mean() - 1.25) < 0.02
