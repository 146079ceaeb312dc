"""The schedule, the noise and the sampling, against plain loops."""

import math

import pytest
import torch

from crln.methods.diffrect.diffusion import add_noise, cosine_alphas, ddim, waves


def plain_alphas(steps: int) -> list[float]:
    def g(step: int) -> float:
        return math.cos((step / steps + 0.008) / 1.008 * math.pi / 2) ** 2

    product, result = 1.0, []
    for step in range(steps):
        product *= 1 - min(1 - g(step + 1) / g(step), 0.999)
        result.append(product)
    return result


@pytest.mark.parametrize("steps", [2, 10])
def test_the_cosine_schedule(steps: int) -> None:
    alphas = cosine_alphas(steps)
    assert alphas.tolist() == pytest.approx(plain_alphas(steps), rel=1e-5)
    assert (alphas.diff() < 0).all()


def test_noise_keeps_the_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 4, 4, generator=generator), torch.ones(2, 3, 4, 4, 4)
    share = torch.tensor([0.25, 1.0])
    noisy = add_noise(clean, noise, share)
    torch.testing.assert_close(noisy[0], 0.5 * clean[0] + math.sqrt(0.75))
    torch.testing.assert_close(noisy[1], clean[1])


@pytest.mark.parametrize("number", [1, 2, 4])
def test_sampling_follows_the_equations(number: int) -> None:
    alphas = cosine_alphas(10)
    asked: list[int] = []

    def estimate(noisy: torch.Tensor, time: int) -> torch.Tensor:
        asked.append(time)
        return 0.5 * noisy + time

    noise = torch.randn(1, 2, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    found = ddim(estimate, noise, alphas, number)
    expected = {1: [9], 2: [9, 0], 4: [9, 6, 3, 0]}[number]
    assert asked == expected
    shares, value = alphas.tolist(), float(noise[0, 0, 0, 0, 0])
    for place, time in enumerate(expected):
        clean = 0.5 * value + time
        if place + 1 < number:
            after = shares[expected[place + 1]]
            rest = (value - math.sqrt(shares[time]) * clean) / math.sqrt(1 - shares[time])
            value = math.sqrt(after) * clean + math.sqrt(1 - after) * rest
    assert float(found[0, 0, 0, 0, 0]) == pytest.approx(clean, rel=1e-4)


def test_a_perfect_denoiser_is_believed() -> None:
    truth = torch.full((1, 2, 2, 2, 2), 3.0)
    found = ddim(lambda noisy, time: truth, torch.randn(1, 2, 2, 2, 2), cosine_alphas(10), 2)
    assert torch.equal(found, truth)


def test_times_become_waves() -> None:
    found = waves(torch.tensor([0.0, 7.0]), 6)
    for row, time in zip(found.tolist(), (0.0, 7.0), strict=True):
        angles = [time * 10000 ** (-i / 2) for i in range(3)]
        expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        assert row == pytest.approx(expected, abs=1e-6)
