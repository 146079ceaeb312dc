"""Drawings: files that never change once a state names them."""

from pathlib import Path

import numpy as np

from crln.reviewing.outlines import StandingOutline
from crln.reviewing.places import Places, link
from crln.reviewing.state import CaseState
from crln.reviewing.structures import Structures


def keep_drawing(
    places: Places,
    state: CaseState,
    found: StandingOutline,
    values: np.ndarray,
    scan: Path,
    structures: Structures,
    only: int | None = None,
) -> int:
    """Writes a drawing that is new: all of its files, before any state names it.

    Args:
        places: of the project.
        state: of the case by now.
        found: its outline by now.
        values: (X, Y, Z) integers.
        scan: whose geometry it gets.
        structures: of the project.
        only: the structure that alone is another than by now: where a drawing holds by now, the
            others' files are given a second name; None: any may be.

    Returns:
        Its number.
    """
    number = max([0, *places.drawings(state.case), *state.drawings]) + 1
    path = places.drawing(state.case, number)
    if only is None or state.drawing is None or found.rest:
        structures.write(path, values, scan)
        return number
    structures.write(path, values, scan, only)
    before = structures.files(places.drawing(state.case, state.drawing))
    for structure, file in structures.files(path).items():
        if structure != only:
            link(before[structure], file)
    return number
