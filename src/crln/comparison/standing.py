"""How far a comparison is, read from what its cells write."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from statistics import mean

from crln.comparison.cell import Cell


class Standing:
    """The cells that were to be done, wherever they run.

    Args:
        cells: those that were not done when it began.
        places: how many run at a time.
    """

    def __init__(self, cells: Sequence[Cell], places: int) -> None:
        self.cells, self.places = cells, places
        self.ended: set[str] = set()

    def line(self) -> str:
        """One line: cells done, steps of those that learn, and the time that learning takes yet."""
        learning, left = [], []
        rates: dict[str, list[float]] = {}
        for cell in self.cells:
            total = cell.plan.training.iterations
            step, seconds = _last_row(cell)
            if seconds:
                rates.setdefault(cell.variant.name, []).append(seconds)
            if cell.name in self.ended:
                continue
            if step:
                learning.append(
                    f"{cell.name} step {step} of {total}"
                    if step < total
                    else f"{cell.name} outlines"
                )
            left.append((cell.variant.name, total - step))
        line = f"{len(self.ended)} of {len(self.cells)} cells done"
        if learning:
            line += f"; {', '.join(learning)}"
        if rates:
            usual = mean(value for values in rates.values() for value in values)
            seconds = sum(steps * mean(rates.get(method, [usual])) for method, steps in left) / max(
                1, self.places
            )
            line += f"; about {timedelta(seconds=round(seconds))} of learning left"
        return line


def _last_row(cell: Cell) -> tuple[int, float]:
    """Steps done and mean seconds of a step; zeros before there is a row."""
    step, seconds = 0, []
    with (
        suppress(OSError, ValueError, KeyError),
        (cell.folder / "log.csv").open(newline="", encoding="utf-8") as file,
    ):
        for row in csv.DictReader(file):
            step = int(row["step"])
            if row["seconds"]:
                seconds.append(float(row["seconds"]))
    return step, mean(seconds) if seconds else 0.0
