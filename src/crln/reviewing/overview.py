"""What the page shows of a project: a line a case, how far it is, and what rounds brought."""

from collections import Counter
from typing import Any

import numpy as np

from crln.cohort import Slices
from crln.cohort.outline import usual_axis
from crln.cohort.parts import PARTS
from crln.imaging import Grid, read_grid
from crln.report.style import class_colour
from crln.reviewing.enough import FEWEST, RoundTold, verdict
from crln.reviewing.estimate import RoundEstimate
from crln.reviewing.masks import Record
from crln.reviewing.project import Project
from crln.reviewing.slices import of_page
from crln.reviewing.thumbnails import thumbnail_key

WAITING = ("correcting", "outlined", "new")
"""What is to do, in the order in which it is done."""


def overview(project: Project) -> dict[str, Any]:
    """The whole list, for the page."""
    parts = {case.id: part for part in PARTS for case in getattr(project.data, part)}
    cases = [line(project, id, parts[id]) for id in project.cases]
    counts = Counter(case["status"] for case in cases)
    return {
        "name": project.places.path.name,
        "classes": classes(project),
        "cases": cases,
        "counts": counts,
        "pace": pace(project, sum(counts[status] for status in WAITING)),
        **quality(project),
        "folds": project.settings.folds or 0,
        "introduced": project.settings.introduced,
    }


def classes(project: Project) -> list[dict[str, Any]]:
    """Value, name and colour of every structure, and of what nobody knows."""
    found = [
        {"value": value, "name": name, "colour": class_colour(place)}
        for place, (value, name) in enumerate(project.classes.items())
    ]
    return [*found, {"value": project.settings.ignore, "name": "unknown", "colour": "#8a8a8a"}]


def line(project: Project, id: str, part: str) -> dict[str, Any]:
    """What the list says of a case; its score is that of its worst structure."""
    state, record, status = project.state(id), project.masks.record(id), project.status(id)
    looked_at = record if status in ("outlined", "rejected", "skipped") else None
    return {
        "id": id,
        "status": status,
        "version": state.version,
        "kept_for": part if part in ("validation", "test") else "",
        "round": record.round if record else None,
        "score": _worst(looked_at, "score"),
        "low": _worst(looked_at, "low"),
        "high": _worst(looked_at, "high"),
        "rank": _worst(looked_at, "rank"),
        "flags": list(looked_at.flags) if looked_at else [],
        "volume_ml": state.volume_ml or (record.volume_ml if record else {}),
        "seconds": state.seconds,
        "changed": state.changed,
        "dice": state.dice,
        "by": state.by,
        "at": state.at,
        "note": state.note,
        "slices": None if state.slices is None else len(state.slices),
        "undo": bool(state.before),
        "picture": thumbnail_key(state, status, record.round if record else None),
    }


def _worst(record: Record | None, kind: str) -> float | None:
    """Of the structure that is missing, or whose score, or else whose rank, is the lowest."""
    if record is None:
        return None
    known = {n: v for n, v in record.rank.items() if v is not None}
    scored = {n: v for n, v in record.score.items() if v is not None}
    missing = {n: v for n, v in known.items() if v == 0 and n not in scored}
    order = missing or scored or known
    if not order:
        return None
    found: float | None = getattr(record, kind).get(min(order, key=lambda name: order[name]))
    return found


def worst_first(project: Project) -> list[str]:
    """Ids of the cases that are to do: what is being corrected, the worst masks, then new ones.

    Of the masks those that something is odd about come before any likely Dice, as on their page.
    """

    def order(told: dict[str, Any]) -> tuple[int, bool, float, str]:
        known = told["score"] if told["score"] is not None else told["rank"]
        stage = WAITING.index(told["status"])
        return stage, not told["flags"], 2.0 if known is None else known, told["id"]

    lines = (line(project, id, "") for id in project.cases)
    waiting = [told for told in lines if told["status"] in WAITING]
    return [told["id"] for told in sorted(waiting, key=order)]


def pace(project: Project, waiting: int) -> dict[str, float | None]:
    """Seconds that a person takes for a case, the middle one, and for those that wait."""
    states = [project.state(id) for id in project.cases]
    spent = [s.seconds for s in states if s.state in ("accepted", "rejected") and s.seconds]
    middle = float(np.median(spent)) if spent else None
    return {"seconds": middle, "left": None if middle is None else middle * waiting}


def quality(project: Project) -> dict[str, Any]:
    """What says when to stop: how much people still change of each round's masks, and estimates."""
    found = _of_rounds(project)
    rounds = [
        {
            "round": told.round, "accepted": told.accepted, "dice": told.mean,
            "interval": told.interval, "estimate": estimate.told() if estimate else None,
        }
        for told, estimate in found
    ]  # fmt: skip
    return {"rounds": rounds, "verdict": verdict([told for told, _ in found])}


def _of_rounds(project: Project) -> list[tuple[RoundTold, RoundEstimate | None]]:
    found = []
    states = [project.state(id) for id in project.cases]
    for number in project.places.rounds():
        dice = [s.dice for s in states if s.run == number and s.state == "accepted"]
        known = tuple(value for value in dice if value is not None)
        estimate = RoundEstimate.read(project.places.round(number))
        measured = estimate.dice if estimate else None
        mean = measured.mean if measured and measured.cases >= FEWEST else None
        found.append((RoundTold(number, len(dice), known, mean), estimate))
    return found


def where_to_look(project: Project, id: str) -> dict[str, Any]:
    """What the page leads to in a case, as places in the order of RAS.

    `doubt` is how many voxels are likely wrong in each slice along each axis, `spots` the most
    doubtful voxels, and `to_check` the slices, along the axis of the thickest, that are worth a
    look.
    """
    record, grid = project.masks.record(id), read_grid(project.case(id).images[0])
    check = of_page(grid, Slices(record.check if record else (), usual_axis(grid)))
    spots = [_in_ras(spot, grid) for spot in record.spots] if record else []
    return {
        "doubt": _doubt(record, grid), "spots": spots,
        "to_check": {"axis": check["axis"], "slices": check["at"]},
    }  # fmt: skip


def _doubt(record: Record | None, grid: Grid) -> list[list[float]]:
    """Of the mask, voxels that are likely wrong in each slice, along the axes of RAS."""
    if record is None or len(record.doubt) != 3:
        return []
    found: list[list[float]] = [[], [], []]
    for values, (axis, flip) in zip(record.doubt, grid.turn, strict=True):
        found[axis] = list(values)[::flip]
    return found


def _in_ras(voxel: tuple[int, int, int], grid: Grid) -> list[int]:
    """A voxel of the file as one of the page."""
    place = [0, 0, 0]
    for at, side, (ras, flip) in zip(voxel, grid.shape, grid.turn, strict=True):
        place[ras] = at if flip > 0 else side - 1 - at
    return place
