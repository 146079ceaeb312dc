"""Where random parameters come from: drawn on the host first, applied on the device afterwards.

Numbers drawn on the host cost no synchronisation: what a sample does not need is skipped by plain
`if`, and scalars reach the device as kernel arguments. Only noise fields are drawn on the device,
by a generator whose seed was drawn on the host.
"""

import numpy as np
import torch


def host_random(generator: torch.Generator) -> np.random.Generator:
    """A numpy generator seeded by one draw from `generator`, a generator on the CPU.

    Each call advances `generator`, so that successive views of one step differ.
    """
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return np.random.default_rng(seed.numpy())


def device_generator(random: np.random.Generator, device: torch.device) -> torch.Generator:
    """A torch generator on `device` for noise fields, seeded by one draw from `random`."""
    return torch.Generator(device).manual_seed(int(random.integers(2**62)))


def happens(random: np.random.Generator, probability: float) -> bool:
    """True with this probability."""
    return bool(random.random() < probability)


def factor(random: np.random.Generator, low: float, high: float) -> float:
    """A factor from low < 1 < high: below and above 1 equally often, uniform on either side."""
    ends = (low, 1.0) if random.random() < 0.5 else (1.0, high)
    return float(random.uniform(*ends))
