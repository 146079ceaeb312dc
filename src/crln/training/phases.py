"""The parts of a training that teach by the same terms."""

import math
from dataclasses import dataclass

from crln.methods import Method
from crln.methods.base import SemiSupervised
from crln.planning import Plan


@dataclass(frozen=True)
class Phase:
    """A part of a training that teaches by the same terms.

    Attributes:
        name: "labels alone" or "all scans"; of a first stage, "first stage: " and its task.
        last: the steps done at its end.
        loss: what the one that is shown is called.
    """

    name: str
    last: int
    loss: str = "supervised loss"


def phases_of(method: type[Method], plan: Plan) -> tuple[Phase, ...]:
    """Labels alone, then all scans; of a method without a labelled start one of them."""
    total = plan.training.iterations
    if not method.uses_unlabelled:
        return (Phase("labels alone", total),)
    start = 0
    if issubclass(method, SemiSupervised):
        start = min(total, math.ceil(plan.training.labelled_start * total))
    return tuple(Phase(*each) for each in (("labels alone", start), ("all scans", total)))
