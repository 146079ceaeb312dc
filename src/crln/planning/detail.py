"""Which structures are thin, and what a plan then asks for."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from crln.evaluation.fine import THIN, thin_parts
from crln.planning.plan import Plan

Shares = tuple[float, float]
"""Of a structure's voxels: in parts less than `THIN` of the finest voxel edges across, and less
than twice that, which half the resolution makes as thin."""

QUARTER = 0.25
"""Of a structure: it is a thin one if so much of it lies in thin parts."""

LONG = 4 * THIN
"""Finest voxel edges that a thin structure is long, or else it is a small one."""

LABELS = 5
"""Labels of each structure that are measured."""

MOST_VOXELS = 30 * 10**6
"""Measured together, some half a minute; and a quarter of it at most of one label, its middle."""


class Detail(NamedTuple):
    """Something that a plan asks for where structures are thin.

    Attributes:
        field: of the plan.
        changes: of the plan.
        why: as a person reads it.
    """

    field: str
    changes: dict[str, Any]
    why: str


DETAILS = (
    Detail(
        "loss.terms",
        {"loss": {"terms": ["dice_ce", "skeleton_recall"]}},
        "skeleton_recall asks that the middle of each thin part is found, which Dice hardly sees "
        "(Kirchhoff et al., ECCV 2024)",
    ),
    Detail(
        "training.thin",
        {"training": {"thin": 1 / 3}},
        "a third of the labelled patches is centred on thin parts, which few patches hold else",
    ),
)
"""All that a plan chooses for thin structures. What measurements speak for is added here, what they
speak against is taken out: nothing else asks which structures are thin."""


class ThinShares:
    """Measures how much of each structure is thin, in a few labels and within a bound of time."""

    def __init__(self) -> None:
        self._left = MOST_VOXELS
        self._found: dict[str, list[Shares]] = {}

    def wants(self, name: str) -> bool:
        """Whether a structure is still to be measured."""
        return len(self._found.get(name, ())) < LABELS and self._left > 0

    def look(self, name: str, mask: np.ndarray, spacing: Sequence[float]) -> None:
        """Takes note of one structure of one label.

        Args:
            name: of the structure.
            mask: (X, Y, Z) bool: where it is.
            spacing: voxel size along X, Y, Z.
        """
        if not mask.any():
            return
        found = self._found.setdefault(name, [])
        places = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        box = [(int(place[0]), int(place[-1]) + 1) for place in places]
        edge = min(spacing)
        longest = max((b - a) * step for (a, b), step in zip(box, spacing, strict=True))
        if longest < LONG * edge:
            found.append((0.0, 0.0))
            return
        part = _middle(mask, box)
        self._left -= part.size
        if self._left < 0 or not part.any():
            return
        first, second = thin_parts(part, (THIN * edge, 2 * THIN * edge), spacing)
        found.append((float(first.sum() / part.sum()), float(second.sum() / part.sum())))

    def shares(self) -> dict[str, Shares]:
        """The mean of each structure that was measured."""
        means = {name: np.mean(found, 0).tolist() for name, found in self._found.items() if found}
        return {name: (first, second) for name, (first, second) in means.items()}


def _middle(mask: np.ndarray, box: Sequence[tuple[int, int]]) -> np.ndarray:
    """What lies in a box; of a large one its middle."""
    sides = [stop - start for start, stop in box]
    shrunk = min(1.0, (MOST_VOXELS / 4 / float(np.prod(sides, dtype=float))) ** (1 / 3))
    cut = []
    for (start, _), side in zip(box, sides, strict=True):
        kept = max(1, int(side * shrunk))
        first = start + (side - kept) // 2
        cut.append(slice(first, first + kept))
    part: np.ndarray = mask[tuple(cut)]
    return part


def thin_structures(shares: Mapping[str, Shares], quick: bool = False) -> dict[str, float]:
    """The structures that are thin, with the share of each that is.

    Args:
        shares: of a fingerprint.
        quick: at half the resolution.

    Examples:
        >>> thin_structures({"vessel": (0.47, 0.82), "organ": (0.02, 0.15)})
        {'vessel': 0.47}
    """
    found = {name: both[1] if quick else both[0] for name, both in shares.items()}
    return {name: share for name, share in found.items() if share >= QUARTER}


def with_details(plan: Plan, shares: Mapping[str, Shares], quick: bool = False) -> Plan:
    """The plan with all of `DETAILS` where a structure is thin, else as it is; as above."""
    if thin_structures(shares, quick):
        for detail in DETAILS:
            plan = plan.updated(detail.changes)
    return plan


def reasons(plan: Plan, shares: Mapping[str, Shares], quick: bool = False) -> list[str]:
    """Why the plan has what it has of `DETAILS`, a line each; none where nothing is thin.

    Args:
        plan: as it is to be used.
        shares: of the cohort's fingerprint.
        quick: at half the resolution.
    """
    thin = thin_structures(shares, quick)
    chosen = [each for each in DETAILS if plan.updated(each.changes) == plan]
    if not (thin and chosen):
        return []
    told = ", ".join(f"{share:.0%} of {name}" for name, share in thin.items())
    return [
        f"thin parts, less than {THIN:g} of the finest voxel edges across: {told}",
        *(f"{each.field}: {each.why}" for each in chosen),
    ]
