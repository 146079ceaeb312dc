"""Cases of which a person is done with some slices only: nothing is known of the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crln.cohort import Slices
from crln.cohort.outline import outlined
from crln.imaging import Grid
from crln.reviewing.state import CaseState


def wants_rest(state: CaseState) -> bool:
    """Whether a case is accepted in some slices, so that rounds go on to outline the others."""
    return state.state == "accepted" and state.slices is not None


def within(
    slices: Slices | None, values: np.ndarray, grid: Grid, path: Path, others: np.ndarray | int
) -> np.ndarray:
    """An outline in some slices, and something else in the others.

    Args:
        slices: by number, along an axis of the file's voxels; None: all.
        values: (X, Y, Z), the outline.
        grid: of the scan.
        path: of the outline, for the error.
        others: (X, Y, Z) or one value, for the other slices.

    Raises:
        CrlnError: there are no such slices.
    """
    if slices is None:
        return values
    return np.where(outlined(path, slices, values != 0, grid), values, others)


def of_file(grid: Grid, axis: int, numbers: Sequence[int]) -> Slices:
    """Slices across an axis of RAS, as the page counts them -> as the file does.

    Raises:
        ValueError: there are no such slices.

    Examples:
        >>> of_file(Grid((9, 8, 7), np.diag([-1.0, 1, 1, 1])), 0, [2, 1])
        Slices(at=(6, 7), axis=0)
    """
    own, side = _own(grid, axis), grid.in_ras(grid.shape)[axis]
    if not all(0 <= number < side for number in numbers):
        raise ValueError(f"there are {side}, counted from 0")
    back = grid.turn[own][1] < 0
    return Slices(tuple(sorted({side - 1 - n if back else n for n in numbers})), own)


def of_page(grid: Grid, slices: Slices | None) -> dict[str, object]:
    """The way back from `of_file`: the axis of RAS, and the numbers there."""
    if slices is None or slices.at is None or slices.axis is None:
        return {"axis": None, "at": []}
    axis, flip = grid.turn[slices.axis]
    last = grid.shape[slices.axis] - 1
    return {"axis": axis, "at": sorted(last - n if flip < 0 else n for n in slices.at)}


def _own(grid: Grid, axis: int) -> int:
    return next(own for own, (ras, _) in enumerate(grid.turn) if ras == axis)
