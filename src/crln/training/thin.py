"""The thin parts of structures, which some patches are centred on."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from crln.evaluation.fine import THIN, thin_part
from crln.planning import Plan
from crln.preparation import PreparedCase, spacing_of
from crln.preparation.store import spread


class ThinParts:
    """The thin parts in the labels of cases, each label searched when it is first asked for.

    Args:
        plan: says what the classes are, and which share of the patches is centred on thin parts.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.share = plan, plan.training.thin
        self._found: dict[str, dict[int, np.ndarray]] = {}

    def draw(self, case: PreparedCase, random: np.random.Generator) -> np.ndarray | None:
        """A voxel of a thin part, (3,), every class as often; None: there is none."""
        return draw_voxel(self.of(case), random)

    def of(self, case: PreparedCase) -> dict[int, np.ndarray]:
        """Class -> (n, 3) voxels of its thin parts; empty without a label."""
        if case.id not in self._found:
            self._found[case.id] = thin_voxels(case, self.plan)
        return self._found[case.id]


class LikelyParts(ThinParts):
    """Where an unlabelled scan is likely to have thin parts: where, in it, a labelled scan has.

    Scans of one anatomy mostly lie alike; each labelled one is scaled to the size of the other.

    Args:
        thin: of the labelled cases, and of the plan.
        labelled: these cases, prepared.
    """

    def __init__(self, thin: ThinParts, labelled: Sequence[PreparedCase]) -> None:
        super().__init__(thin.plan)
        self.share = thin.plan.training.likely
        self.thin, self.labelled = thin, labelled

    def draw(self, case: PreparedCase, random: np.random.Generator) -> np.ndarray | None:
        """A voxel of the case where labelled ones have thin parts of a class, or have it at all."""
        place = draw_voxel(self.places, random)
        if place is None:
            return None
        voxel: np.ndarray = np.floor(place * np.array(case.shape)).astype(int)
        return voxel

    @cached_property
    def places(self) -> dict[int, np.ndarray]:
        """Class -> (n, 3) places of its thin parts in labelled scans, 0 to 1 along each axis.

        Those of a class without thin parts are all that it has.
        """
        found: dict[int, list[np.ndarray]] = {}
        for case in self.labelled:
            for k, voxels in (case.foreground | self.thin.of(case)).items():
                found.setdefault(k, []).append((voxels + 0.5) / np.array(case.shape))
        return {k: np.concatenate(places) for k, places in found.items()}


def draw_voxel(
    of_class: Mapping[int, np.ndarray], random: np.random.Generator
) -> np.ndarray | None:
    """One voxel, (3,), of a class that is drawn first; None where there is no class.

    Args:
        of_class: class -> (n, 3), at least one each.
        random: a numpy generator.
    """
    if not of_class:
        return None
    voxels = of_class[random.choice(sorted(of_class))]
    voxel: np.ndarray = voxels[random.integers(len(voxels))]
    return voxel


def thin_voxels(case: PreparedCase, plan: Plan) -> dict[int, np.ndarray]:
    """Class -> (n, 3) evenly spread voxels of its thin parts; without those it is not there.

    Args:
        case: prepared for the plan.
        plan: of the training.
    """
    if not case.labelled:
        return {}
    _, label, _ = case.read((0, 0, 0), case.shape)
    spacing = spacing_of(case, plan)
    found = {}
    for k in range(1, plan.labels.classes):
        thin = thin_part(plan.labels.holds(label, k), THIN * min(spacing), spacing)
        if len(voxels := spread(thin)):
            found[k] = voxels
    return found
