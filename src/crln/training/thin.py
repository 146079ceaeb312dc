"""The thin parts of structures, which some patches are centred on."""

from collections.abc import Sequence
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

    def of(self, case: PreparedCase) -> dict[int, np.ndarray]:
        """Class -> (n, 3) voxels of the case where labelled ones have its thin parts, or have it.

        Those of a class without thin parts are all that it has.
        """
        shape = np.array(case.shape)
        return {k: np.floor(places * shape).astype(int) for k, places in self._places.items()}

    @cached_property
    def _places(self) -> dict[int, np.ndarray]:
        """Class -> (n, 3), 0 to 1 along each axis of a scan."""
        found: dict[int, list[np.ndarray]] = {}
        for case in self.labelled:
            for k, voxels in (case.foreground | self.thin.of(case)).items():
                found.setdefault(k, []).append((voxels + 0.5) / np.array(case.shape))
        return {k: np.concatenate(places) for k, places in found.items()}


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
