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


def add_rows(
    out: Path,
    fresh: Rows,
    columns: Sequence[str],
    lock: Path | None = None,
    *,
    keep: bool = False,
) -> None:
    """Writes `cases.csv`, with the lines of other cases that are there already, sorted by case.

    A table that has columns of another model, such as those of other channels, is written anew;
    one that lacks some, as an older version's does, is kept.

    Args:
        out: the folder of the masks.
        fresh: lines of the cases that were outlined.
        columns: their headings.
        lock: where other processes write to the same table: a file to take turns by.
        keep: the lines that are there whatever their columns, which then stand behind the others.
    """
    if not fresh:
        return
    if lock:
        with claim(lock, wait=True):
            add_rows(out, fresh, columns, keep=keep)
        return
    path, own = out / TABLE, list(columns)
    had, kept = _read(path) if path.exists() else ([], {})
    if keep:
        own += [column for column in had if column not in own]
    elif not set(had) <= set(own):
        kept = {}
    rows: Rows = {
        case: [[line.get(column, "") for column in own] for line in lines]
        for case, lines in kept.items()
    }
    blank = [""] * (len(own) - len(columns))
    rows |= {case: [[*line, *blank] for line in lines] for case, lines in fresh.items()}
    write_text(path, csv_text(own, (line for case in sorted(rows) for line in rows[case])))


def _read(path: Path) -> tuple[list[str], dict[str, list[dict[str, str]]]]:
    """The columns of a table, and the lines of each case."""
    lines = [line for line in csv.reader(io.StringIO(read_text(path, "remove it"))) if line]
    had = lines[0] if lines else []
    kept: dict[str, list[dict[str, str]]] = {}
    for line in lines[1:]:
        kept.setdefault(line[0], []).append(dict(zip(had, line, strict=False)))
    return had, kept
