"""The outline of a case as it stands: a drawing, the person's label, a round's mask, a draft."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from crln.cohort import Case, Cohort, Label, read_outline
from crln.errors import CrlnError
from crln.imaging import Grid, check_same_grid, write_mask
from crln.reviewing.places import Places
from crln.reviewing.slices import wants_rest
from crln.reviewing.state import CaseState

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


def standing(places: Places, case: Case, state: CaseState, round: int | None) -> StandingOutline:
    """The outline of a case as it stands; a mask stands where the person's own label is rejected.

    Args:
        places: of the project.
        case: as the person's cohort has it.
        state: what was decided.
        round: the last that has a mask of it.
    """
    if state.drawing is not None:
        label = Label(places.drawing(case.id, state.drawing))
        if wants_rest(state) and round is not None and round > (state.run or 0):
            return StandingOutline("drawing", label, round, Label(places.mask(round, case.id)))
        return StandingOutline("drawing", label, state.run)
    if case.label and (state.state != "rejected" or round is None):
        return StandingOutline("label", case.label)
    if round is not None:
        return StandingOutline("mask", Label(places.mask(round, case.id)), round)
    return StandingOutline("draft", case.draft) if case.draft else StandingOutline("nothing")


def read_values(
    found: StandingOutline, scan: Path, grid: Grid, cohort: Cohort, ignore: int
) -> np.ndarray:
    """The values of label files, (X, Y, Z) int32, on the scan's grid and in its axis order.

    Args:
        found: the outline.
        scan: its first file.
        grid: of the scan.
        cohort: for its classes' names.
        ignore: the value for voxels that nobody knows.

    Raises:
        CrlnError: a file has a fault, or lies on another grid than the scan.
    """
    if found.label is None:
        return np.zeros(grid.shape, np.int32)
    own = found.origin in ("label", "draft")
    outline = read_outline(found.label, grid, cohort.class_names, cohort.ignore if own else ignore)
    check_same_grid(scan, grid, found.label.path, outline.volume.grid)
    values = outline.values
    if own and outline.known is not None:
        values[~outline.known] = ignore
    return values


def agreement(one: np.ndarray, other: np.ndarray, structures: Iterable[int]) -> float | None:
    """Dice of two outlines, mean over the structures that either has; None where neither does."""
    dice = []
    for value in structures:
        a, b = one == value, other == value
        if size := int(a.sum()) + int(b.sum()):
            dice.append(2 * int((a & b).sum()) / size)
    return float(np.mean(dice)) if dice else None


def volumes(values: np.ndarray, grid: Grid, structures: Mapping[int, str]) -> dict[str, float]:
    """Millilitres of each structure, by its name; empty where the voxel size is not known."""
    if not grid.known:
        return {}
    of_a_voxel = abs(float(np.linalg.det(grid.to_world[:3, :3]))) / 1000
    return {
        name: round(int((values == value).sum()) * of_a_voxel, 4)
        for value, name in structures.items()
    }


def write_values(path: Path, values: np.ndarray, case: Case) -> None:
    """Writes an outline as NIfTI with the scan's own geometry.

    Raises:
        CrlnError: it cannot be written, or is not of the scan's shape.
    """
    write_mask(path, values, case.images[0], overwrite=True)


def refuse_overlapping(cohort: Cohort) -> None:
    """Raises CrlnError where structures have a label file each: they are not edited here."""
    if not cohort.exclusive:
        raise CrlnError(
            f"{cohort.root}: its structures overlap and have a label file each, which the page "
            "does not draw; correct them in 3D Slicer, and train with crln train"
        )
