"""Weights that rise during the training."""

import math

from pydantic import Field

from crln.planning.plan import Section


class Ramped(Section):
    """A weight of what unlabelled patches teach, and how long it takes to reach it."""

    weight: float = Field(
        default=0.1, ge=0, description="of what unlabelled patches teach, once the ramp is over"
    )
    ramp: float = Field(
        default=1.0, gt=0, description="share of the training that the weight ramps up over"
    )


def gaussian_ramp(step: float, length: float) -> float:
    """exp(-5 (1 - min(t, L) / L)^2): from about 0 at the start to 1 at `length`."""
    if length <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(max(step, 0.0), length) / length) ** 2)
