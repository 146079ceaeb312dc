"""`cases.csv` beside the masks: what each structure of each scan measures."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crln.errors import CrlnError
from crln.evaluation.measures import Measures
from crln.evaluation.text import csv_text
from crln.files import claim, read_text, write_text
from crln.labels import LabelSpace
from crln.quality import Appraisal, Score

TABLE = "cases.csv"
OWN = ["case", "value", "class", "voxels", "volume_ml", "diameter_mm"]
"""What each table begins with."""

Rows = dict[str, list[list[Any]]]
"""Case id to its lines."""


def rows_of(
    case: str,
    measures: Mapping[str, Measures],
    labels: LabelSpace,
    appraisal: Appraisal = Appraisal(),  # noqa: B008  frozen
) -> list[list[Any]]:
    """A line a structure; without voxels it has no diameter and no intensity."""
    rows = []
    for (value, name), m in zip(labels.structures.items(), measures.values(), strict=True):
        score = appraisal.scores.get(name, Score())
        rows.append([
            case, value, name, m.voxels, m.volume_ml, m.diameter_mm, *m.intensity, m.pieces,
            "yes" if m.border else "no", score.dice, score.low, score.high,
            "; ".join(appraisal.flags_of(name)),
        ])  # fmt: skip
    return rows


def headings(channels: Sequence[str]) -> list[str]:
    """The columns."""
    means = ["mean"] if len(channels) == 1 else [f"mean {channel}" for channel in channels]
    return [*OWN, *means, "pieces", "at_border", "score", "low", "high", "flags"]


def check_table(out: Path) -> None:
    """Refuses a folder where a person's own file has the table's name.

    Raises:
        CrlnError: it does.
    """
    if _heading(out / TABLE)[: len(OWN)] != OWN:
        raise CrlnError(f"{out / TABLE}: not written by crln; move it, or give another output")


def _heading(path: Path) -> list[str]:
    """The first line; of no file, or an empty one, what a table begins with."""
    text = read_text(path, "move it, or give another output") if path.exists() else ""
    return next(csv.reader(io.StringIO(text)), OWN)


def add_rows(out: Path, fresh: Rows, columns: Sequence[str], lock: Path | None = None) -> None:
    """Writes `cases.csv`, with the lines of other cases that are there already, sorted by case.

    A table of other columns, as of another model, is written anew.

    Args:
        out: the folder of the masks.
        fresh: lines of the cases that were outlined.
        columns: their headings.
        lock: where other processes write to the same table: a file to take turns by.
    """
    if not fresh:
        return
    if lock:
        with claim(lock, wait=True):
            add_rows(out, fresh, columns)
        return
    path = out / TABLE
    kept: Rows = {}
    if path.exists():
        lines = [line for line in csv.reader(io.StringIO(read_text(path, "remove it"))) if line]
        for line in lines[1:] if lines[:1] == [list(columns)] else ():
            kept.setdefault(line[0], []).append(line)
    merged = kept | fresh
    write_text(path, csv_text(columns, (line for case in sorted(merged) for line in merged[case])))
