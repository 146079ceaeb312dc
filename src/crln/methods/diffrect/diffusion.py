"""Diffusion: how noise is added step by step, and how a sample is drawn from noise again."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def cosine_alphas(steps: int) -> Tensor:
    """The cosine schedule (Nichol and Dhariwal, ICML 2021): (T,), share of the signal at t.

    prod_{s <= t} (1 - b_s), b_s = min(1 - g(s + 1) / g(s), 0.999),
    g(s) = cos^2((s / T + 0.008) / 1.008 * pi / 2).
    """
    times = torch.arange(steps + 1, dtype=torch.float64) / steps
    g = torch.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - g[1:] / g[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0).float()


def add_noise(clean: Tensor, noise: Tensor, share: Tensor) -> Tensor:
    """z_t = sqrt(a_t) z_0 + sqrt(1 - a_t) n; `share` is a_t of each sample, (B,)."""
    share = share[:, None, None, None, None]
    return share.sqrt() * clean + (1 - share).sqrt() * noise


def ddim(
    estimate: Callable[[Tensor, int], Tensor], noise: Tensor, alphas: Tensor, number: int
) -> Tensor:
    """Deterministic sampling (DDIM; Song et al., ICLR 2021) by estimates of z_0.

    From z_T = noise, at `number` times evenly spaced from T - 1 to 0: z_0' = D(z_t, t),
    n = (z_t - sqrt(a_t) z_0') / sqrt(1 - a_t), z_s = sqrt(a_s) z_0' + sqrt(1 - a_s) n.

    Args:
        estimate: D, of z_t and t.
        noise: z_T.
        alphas: a_t, (T,).
        number: of steps, 1..T.
    """
    times = torch.linspace(len(alphas) - 1, 0, number).round().long().tolist()
    latent = noise
    for time, following in zip(times, [*times[1:], None], strict=True):
        clean = estimate(latent, time)
        if following is None:
            break
        share, next_share = alphas[time], alphas[following]
        rest = (latent - share.sqrt() * clean) / (1 - share).sqrt()
        latent = next_share.sqrt() * clean + (1 - next_share).sqrt() * rest
    return clean


def waves(time: Tensor, number: int) -> Tensor:
    """(B,) -> (B, number): sin and cos of t * 10000^(-i / (number / 2 - 1)), i = 0, 1, ..."""
    half = number // 2
    places = torch.arange(half, device=time.device, dtype=torch.float32)
    angles = time.float()[:, None] * torch.exp(-math.log(10000) / max(half - 1, 1) * places)
    return torch.cat([angles.sin(), angles.cos()], 1)
