"""Figures as the text of files: CSV and JSON know neither NaN nor our objects."""

import csv
import io
import math
from collections.abc import Iterable
from typing import Any


def csv_text(names: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A table with a line of names; six digits of a figure, nothing where it is undefined (NaN)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(entry) for entry in line] for line in lines)
    return text.getvalue()


def without_nan(value: Any) -> Any:
    """Plain data with None in the place of NaN, at any depth, for JSON."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _cell(entry: Any) -> Any:
    if isinstance(entry, float):
        return "" if math.isnan(entry) else f"{entry:.6g}"
    return entry
