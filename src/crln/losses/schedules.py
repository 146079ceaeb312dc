"""How weights, rates and averages change over a training.

Steps count from 0. What a paper gives in iterations is given here as a share of the training, so
that it scales with the budget.
"""

import math
from typing import Literal


def gaussian_ramp(step: float, length: float) -> float:
    """exp(-5 (1 - min(t, L) / L)^2): from about 0 at the start to 1 at `length`."""
    if length <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(max(step, 0.0), length) / length) ** 2)


def ema_decay(step: int, limit: float) -> float:
    """min(1 - 1 / (t + 1), limit): the plain mean of the first weights, then an average."""
    return min(1 - 1 / (step + 1), limit)


def learning_rate_factor(
    step: int,
    total: int,
    *,
    schedule: Literal["poly", "step", "constant"] = "poly",
    power: float = 0.9,
    warmup: float = 0.0,
) -> float:
    """What the learning rate is multiplied with at `step` of `total`.

    `poly`: (1 - t / T)^power. `step`: a tenth after 5/12 and after 10/12 of the training, the
    published 2,500 and 5,000 of 6,000 steps. All rise linearly over the first `warmup` share.
    """
    factor = 1.0
    if schedule == "poly":
        factor = max(0.0, 1 - step / total) ** power
    elif schedule == "step":
        factor = 0.1 ** (12 * step // (5 * total))
    rising = warmup * total
    return factor * min(1.0, (step + 1) / rising) if rising else factor
