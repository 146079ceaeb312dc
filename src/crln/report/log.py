"""The table that a training leaves."""

import csv
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.files import read_text

NO_LOSSES = {"step", "total", "lr", "seconds", "validation"}
"""Columns that are no term of the loss."""


def read_log(path: Path) -> dict[str, np.ndarray]:
    """The columns of a training's CSV log, float64; NaN where a row has no entry.

    Raises:
        CrlnError: missing or not such a log.
    """
    remedy = "give a run's log.csv"
    header, *rows = csv.reader(read_text(Path(path), remedy).splitlines() or [""])
    try:
        columns = zip(*rows, strict=True)  # as many cells in every row
        log = {
            name: np.array([float(cell or "nan") for cell in column])
            for name, column in zip(header, columns, strict=True)
        }
    except ValueError as error:
        raise CrlnError(f"{path}: not a training log ({error}); {remedy}") from error
    if "step" not in log:
        raise CrlnError(f"{path}: not a training log, it has no column step; {remedy}")
    return log
