"""What patches are centred on: foreground, and its thin parts."""

from dataclasses import dataclass, field

import numpy as np

from crln.evaluation.fine import THIN, thin_part
from crln.planning import Plan
from crln.preparation import PreparedCase
from crln.preparation.store import spread


@dataclass(frozen=True)
class Centres:
    """Draws the voxel that a patch is centred on, if any.

    Attributes:
        foreground: share of the patches that are centred on a voxel of a class.
        thin: share that are centred on a thin part of one.
        plan: says what the classes are and how large voxels are; thin parts need it.
    """

    plan: Plan | None = None
    foreground: float = 0.0
    thin: float = 0.0
    _thin: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)

    def draw(self, case: PreparedCase, random: np.random.Generator) -> np.ndarray | None:
        """A voxel of the case, (3,); None: the patch lies anywhere."""
        number = random.random()
        if number >= self.foreground + self.thin:
            return None
        of_class = case.foreground if number < self.foreground else self._thin_parts(case)
        if not of_class:
            return None
        voxels = of_class[random.choice(sorted(of_class))]
        voxel: np.ndarray = voxels[random.integers(len(voxels))]
        return voxel

    def _thin_parts(self, case: PreparedCase) -> dict[int, np.ndarray]:
        """Class -> (n, 3) voxels of its thin parts; found when they are first asked for."""
        if case.id not in self._thin:
            self._thin[case.id] = thin_voxels(case, self.plan) if self.plan else {}
        return self._thin[case.id]


def thin_voxels(case: PreparedCase, plan: Plan) -> dict[int, np.ndarray]:
    """Class -> (n, 3) evenly spread voxels of its thin parts; without those it is not there.

    Args:
        case: prepared for the plan.
        plan: of the training.
    """
    if not case.labelled:
        return {}
    _, label, _ = case.read((0, 0, 0), case.shape)
    spacing = plan.spacing or (1.0, 1.0, 1.0)
    found = {}
    for k in range(1, plan.labels.classes):
        thin = thin_part(plan.labels.holds(label, k), THIN * min(spacing), spacing)
        if len(voxels := spread(thin)):
            found[k] = voxels
    return found
