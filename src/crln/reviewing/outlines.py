"""The outline of a case as it stands: a drawing, the person's label, a round's mask, a draft."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from crln.cohort import Case, Cohort, Label
from crln.imaging import Grid, check_same_grid, read_stored
from crln.reviewing.places import Places
from crln.reviewing.slices import wants_rest
from crln.reviewing.state import CaseState
from crln.reviewing.structures import Structures

Origin = Literal["nothing", "draft", "mask", "drawing", "label"]


@dataclass(frozen=True)
class StandingOutline:
    """Which files hold the outline of a case.

    Attributes:
        origin: whose it is.
        label: what to read; None: there is nothing.
        round: the number of the round whose mask it is, was drawn on, or has outlined the rest.
        rest: that round's mask, which counts in all slices but those that were accepted alone.
    """

    origin: Origin
    label: Label | None = None
    round: int | None = None
    rest: Label | None = None


def standing(
    places: Places, case: Case, state: CaseState, round: int | None, structures: Structures
) -> StandingOutline:
    """The outline of a case as it stands; a mask stands where the person's own label is rejected.

    Args:
        places: of the project.
        case: as the person's cohort has it.
        state: what was decided.
        round: the last that has a mask of it.
        structures: of the project.
    """

    def mask() -> Label:
        assert round is not None
        return structures.label(places.mask(round, case.id))

    if state.drawing is not None:
        label = structures.label(places.drawing(case.id, state.drawing))
        if wants_rest(state) and round is not None and round > (state.run or 0):
            return StandingOutline("drawing", label, round, mask())
        return StandingOutline("drawing", label, state.run)
    if case.label and (state.state != "rejected" or round is None):
        return StandingOutline("label", case.label)
    if round is not None:
        return StandingOutline("mask", mask(), round)
    return StandingOutline("draft", case.draft) if case.draft else StandingOutline("nothing")


def read_values(
    found: StandingOutline, scan: Path, grid: Grid, cohort: Cohort, structures: Structures
) -> np.ndarray:
    """An outline, (X, Y, Z) integers, on the scan's grid and in its axis order.

    Args:
        found: the outline.
        scan: its first file.
        grid: of the scan.
        cohort: for its classes' names.
        structures: what the integers mean.

    Raises:
        CrlnError: a file has a fault, or lies on another grid than the scan.
    """
    if found.label is None:
        return np.zeros(grid.shape, np.int32)
    if found.origin in ("label", "draft"):
        return structures.read(found.label, scan, grid, cohort, cohort.ignore)
    if structures.separate:
        return structures.read(found.label, scan, grid, cohort, structures.ignore)
    values, place = read_stored(found.label.path)  # ours: nothing is to be found out about it
    check_same_grid(scan, grid, found.label.path, place)
    kind = np.result_type(values, np.min_scalar_type(structures.ignore))
    return values.astype(kind, copy=False)


def agreement(one: np.ndarray, other: np.ndarray, structures: Structures) -> float | None:
    """Dice of two outlines, mean over the structures that either has; None where neither does."""
    dice = []
    for value in structures.names:
        a, b = structures.inside(one, value), structures.inside(other, value)
        if size := int(a.sum()) + int(b.sum()):
            dice.append(2 * int((a & b).sum()) / size)
    return float(np.mean(dice)) if dice else None


def volumes(values: np.ndarray, grid: Grid, structures: Structures) -> dict[str, float]:
    """Millilitres of each structure, by its name; empty where the voxel size is not known."""
    if not grid.known:
        return {}
    of_a_voxel = abs(float(np.linalg.det(grid.to_world[:3, :3]))) / 1000
    return {
        name: round(np.count_nonzero(structures.inside(values, value)) * of_a_voxel, 4)
        for value, name in structures.names.items()
    }
