"""A drawing as the page sends it, and tools that are computed here rather than in the page."""

import gzip
from collections.abc import Sequence

import numpy as np

from crln.cohort import Slices
from crln.imaging import Grid, read_grid
from crln.reviewing.between import fill_between
from crln.reviewing.bridge import MOST_VALUES, DrawingError, unpack
from crln.reviewing.growing import grow
from crln.reviewing.project import Project
from crln.reviewing.server.gate import Refused
from crln.reviewing.server.reply import Reply, Request
from crln.reviewing.shown import Shelf
from crln.reviewing.slices import of_file

_SLACK = 2**16
"""Bytes that gzip may add to what it cannot pack."""
_MOST_NAMED = 60_000
"""Characters that name slices."""


def known_values(project: Project) -> tuple[int, ...]:
    """Values that can be drawn, background first and what nobody knows last."""
    return (0, *project.classes, project.settings.ignore)


def values_of(request: Request, known: tuple[int, ...]) -> tuple[int, ...]:
    """What the numbers of a drawing stand for, as the page was told.

    Raises:
        Refused: they are not those that the page was told.
    """
    given = request.target.query.get("values", "")
    try:
        values = tuple(int(word) for word in given.split(",")) if len(given) < 4000 else ()
    except ValueError:
        values = ()
    fits = values[: len(known)] == known and len(set(values)) == len(values) <= MOST_VALUES
    if not fits or not all(-(2**31) <= value < 2**31 for value in values):
        raise Refused(400, "values: not those of the outline")
    return values


def numbers_of(request: Request, grid: Grid) -> np.ndarray:
    """The drawing that a request brings, gzipped: uint8, one a voxel, as the page has them.

    The query may say that it brings some slices alone, across the third axis; the others are empty.

    Raises:
        Refused: there are no such slices, or it is longer than a drawing of them can be.
        DrawingError: it is no drawing of this scan.
    """
    x, y, z = grid.in_ras(grid.shape)
    low, high = request.number("from", 0), request.number("to", z)
    if low is None or high is None or not low < high <= z:
        raise Refused(400, f"from, to: no slices of the {z} that there are")
    voxels = x * y * (high - low)
    if request.length > voxels + voxels // 1000 + _SLACK:
        raise Refused(413, f"more than a drawing of {voxels} voxels can be")
    drawn = unpack(request.body, request.length, voxels)
    if high - low == z:
        return drawn
    numbers = np.zeros(x * y * z, np.uint8)
    numbers[x * y * low : x * y * high] = drawn
    return numbers


def layer_of(request: Request, project: Project) -> int | None:
    """The structure that a request is about, where structures overlap; None where they do not.

    Raises:
        Refused: there is none of that number, or it names none and has to.
    """
    structure = request.number("structure")
    if structure not in (project.structures.names if project.structures.separate else (None,)):
        raise Refused(400, "structure: none of this project that has a file of its own")
    return structure


def check_one_value(project: Project) -> None:
    """Raises Refused where structures overlap: 3D Slicer's module has one value for each voxel."""
    if project.structures.separate:
        raise Refused(
            422, "the structures of this project overlap, and this module loads and sends one "
            "value a voxel; outline them on the page of crln review, and train from here or there",
        )  # fmt: skip


def check_layer(outline: np.ndarray, structure: int | None, project: Project) -> None:
    """Raises DrawingError where the layer of a structure holds another."""
    if structure is None:
        return
    held = {0, structure, project.structures.ignore}
    if strange := set(np.unique(outline).tolist()) - held:
        raise DrawingError(f"a drawing of structure {structure} that holds {min(strange)}")


def asked_slices(request: Request, grid: Grid) -> Slices | None:
    """The slices that the query of a request names; None: it names none.

    Raises:
        Refused: there are no such slices.
    """
    given = request.target.query.get("slices", "")
    if not given:
        return None
    try:
        numbers = [int(word) for word in given.split(",")] if len(given) < _MOST_NAMED else [-1]
    except ValueError as error:
        raise Refused(400, "slices: no whole numbers") from error
    return slices_of(grid, numbers, request.number("axis"))


def slices_of(grid: Grid, numbers: Sequence[int], axis: int | None) -> Slices:
    """The slices that a person is done with, counted as the page does -> as the file does.

    Args:
        grid: of the scan.
        numbers: from 0.
        axis: of RAS, across which they lie; None: the third.

    Raises:
        Refused: there are no such slices.
    """
    if axis not in (None, 0, 1, 2):
        raise Refused(400, "slices: axis 0, 1 or 2")
    try:
        return of_file(grid, 2 if axis is None else axis, numbers)
    except ValueError as error:
        raise Refused(400, f"slices: {error}") from error


class Tools:
    """What a drawing becomes; nothing is kept of it here.

    Args:
        project: whose scans are drawn on.
        shelf: for the scans as the page shows them.
    """

    def __init__(self, project: Project, shelf: Shelf) -> None:
        self._project, self._shelf = project, shelf

    def between(self, id: str, request: Request) -> Reply:
        """Slices between drawn ones, of the class that is asked for or of all."""
        grid, numbers, last = self._drawn(id, request)
        axis, number = request.number("axis", 2), request.number("class")
        if axis not in (0, 1, 2):
            raise Refused(400, "axis: 0, 1 or 2")
        unknown = self._unknown
        every = [each for each in range(1, last) if each != unknown]
        if number is not None and number not in every:
            raise Refused(400, "class: none of the outline")
        classes = every if number is None else [number]
        spacing = grid.in_ras(grid.spacing)
        return _reply(fill_between(numbers, axis, spacing, classes, unknown))

    def grown(self, id: str, request: Request) -> Reply:
        """Strokes that have grown to where the scan changes."""
        grid, numbers, last = self._drawn(id, request)
        shown = self._shelf.scan(self._project.case(id), request.number("channel") or 0)
        spacing = grid.in_ras(grid.spacing)
        return _reply(grow(shown.voxels, numbers, spacing, mark=last, unknown=self._unknown))

    @property
    def _unknown(self) -> int:
        return len(known_values(self._project)) - 1

    def _drawn(self, id: str, request: Request) -> tuple[Grid, np.ndarray, int]:
        """The scan's grid, the numbers (X, Y, Z) in the order of RAS, that of marked background."""
        grid = read_grid(self._project.case(id).images[0])
        last = len(values_of(request, known_values(self._project)))
        numbers = numbers_of(request, grid)
        if numbers.max(initial=0) > last:
            raise DrawingError(f"a drawing with the class number {numbers.max()} of {last}")
        return grid, numbers.reshape(grid.in_ras(grid.shape), order="F"), last


def _reply(numbers: np.ndarray) -> Reply:
    body = gzip.compress(numbers.tobytes(order="F"), compresslevel=1, mtime=0)
    return Reply(body, "application/gzip")
