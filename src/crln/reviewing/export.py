"""Hands over what a review has made: a mask a case, and `cases.csv`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crln.errors import CrlnError
from crln.evaluation.measures import measure
from crln.evaluation.text import csv_text
from crln.files import write_text
from crln.imaging import Volume, check_option, output_suffix, read_grid, read_image, write_mask
from crln.inference.table import TABLE, headings, rows_of
from crln.quality import Appraisal, Score
from crln.reviewing.masks import Record
from crln.reviewing.project import Project
from crln.reviewing.slices import wants_rest, within
from crln.reviewing.state import file_name

DECIDED = ["state", "by", "at", "seconds", "round", "changed_voxels", "dice_of_mask", "note"]
"""Columns that a review adds to those of `crln predict`."""
_SERIES = ("dicom-seg", "rtstruct")
"""Formats that cannot say that nobody knows a voxel."""


def export(
    project: Project,
    out: Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    say: Callable[[str], object] = print,
) -> list[Path]:
    """Writes the outline of every case as it stands, but of those that were rejected.

    Args:
        project: to hand over.
        out: the folder to write to.
        format: of the masks: "nifti", "nrrd", "metaimage", "dicom-seg" or "rtstruct"; None: NIfTI.
            In the two last what nobody knows is background.
        overwrite: replace files that exist.
        say: told what was left out, a line at a time.

    Returns:
        The masks.

    Raises:
        CrlnError: nothing is outlined, a file exists, or a scan is no series that such a mask
            could refer to.
    """
    handed = [id for id in project.cases if _wanted(project, id)]
    if not handed:
        raise CrlnError(
            f"{project.places.path}: nothing is outlined that could be handed over; outline and "
            "accept a case"
        )
    kind = format or "nifti"
    check_option(kind, [project.case(id).images[0] for id in handed])
    targets = {
        id: out / f"{file_name(id)}{output_suffix(project.case(id).images[0], option=kind)}"
        for id in handed
    }
    files = [file for path in targets.values() for file in project.structures.files(path).values()]
    if not overwrite:
        for path in (out / TABLE, *files):
            if path.exists():
                raise CrlnError(f"{path}: exists; give another output, or --overwrite")
    rows = [row for id in handed for row in _hand(project, id, targets[id], kind)]
    columns = [*headings(project.data.channels), *DECIDED]
    write_text(out / TABLE, csv_text(columns, rows), overwrite=overwrite)
    left = len(project.cases) - len(handed)
    say(f"{len(files)} masks and {TABLE} in {out}" + (f"; {left} cases left out" if left else ""))
    return files


def _wanted(project: Project, id: str) -> bool:
    return project.status(id) != "rejected" and project.standing(id).origin != "nothing"


def _hand(project: Project, id: str, path: Path, kind: str) -> list[list[Any]]:
    """Writes the mask of a case; its lines of the table."""
    case, state, record = project.case(id), project.state(id), project.masks.record(id)
    values, found, structures = project.values(id), project.standing(id), project.structures
    if wants_rest(state) and found.rest is None:  # no mask since
        grid, label = read_grid(case.images[0]), project.places.label(id)
        values = within(state.limits, values, grid, label, structures.nobody)
    for k, file in structures.files(path).items():
        written = structures.of_file(values, k)
        if kind in _SERIES:
            written = np.where(written == structures.ignore, 0, written)
        write_mask(file, written, case.images[0], labels=structures.written(k), overwrite=True)
    scan: Volume = read_image(case.images)
    measures = {
        name: measure(structures.inside(values, value), scan.grid, scan.array)
        for value, name in structures.names.items()
    }
    told = _appraisal(record) if found.origin == "mask" and record else Appraisal()
    decided = [
        project.status(id), state.by, state.at, round(state.seconds), found.round, state.changed,
        state.dice, state.note,
    ]  # fmt: skip
    return [[*row, *decided] for row in rows_of(id, measures, structures.space, told)]


def _appraisal(record: Record) -> Appraisal:
    """What was thought of a mask, as a prediction has it."""

    def number(value: float | None) -> float:
        return float("nan") if value is None else value

    scores = {
        name: Score(
            number(dice), number(record.low.get(name)), number(record.high.get(name)),
            number(record.rank.get(name)),
        )
        for name, dice in record.score.items()
    }  # fmt: skip
    return Appraisal(scores, record.flags)
