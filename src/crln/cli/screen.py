"""What the verbs share of talking to a person."""

from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crln.evaluation.tables import ResultTable, TableCell

console = Console(highlight=False, markup=False, soft_wrap=True)
"""Standard output; lines are the terminal's to wrap, so that paths can be copied whole."""

_WHOLE, _FOLDED = 30, 12
"""Characters of a column of words: where columns of no weight make room for it, and at least."""
_NAMES = 20
"""Characters of the column of names, at most."""
_GAP = 2


def examples(*lines: str) -> str:
    """The end of a verb's help; the backspace keeps the line breaks."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def complain(message: str) -> None:
    """One red line on standard error."""
    line = Text(f"error: {' '.join(message.split())}", style="red")
    Console(stderr=True).print(line, soft_wrap=True)


def duration(seconds: float) -> str:
    """A length of time as a person says it."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.0f} h"


def show(table: "ResultTable", title: str = "") -> None:
    """Prints a table as wide as the terminal.

    Figures stay whole and names are folded; where that is not enough, the lightest columns are
    left out and named below.
    """
    keys, left_out = _fitting(table, console.width)
    shown = Table(
        title=title or None, title_justify="left", box=None, padding=(0, _GAP, 0, 0),
        pad_edge=False,
    )  # fmt: skip
    for key in keys:
        column = table.columns[key]
        justify: Literal["left", "right"] = "left" if column.text else "right"
        width = _width(table, key)
        shown.add_column(
            column.heading, justify=justify, overflow="fold",
            width=None if column.text else width,
            min_width=min(width, _FOLDED) if column.text else None,
        )  # fmt: skip
    for row in table.rows:
        shown.add_row(*("\n".join(_lines(row[key])) if key in row else "" for key in keys))
    console.print(shown, soft_wrap=False)
    notes = [table.caption] if table.caption else []
    if left_out:
        names = ", ".join(table.columns[key].heading for key in left_out)
        notes.append(f"no room here for {names}: in the files, or in a wider terminal")
    for note in notes:
        console.print(note, soft_wrap=False)


def show_facts(title: str, facts: "Mapping[str, str]") -> None:
    """Prints names and values in two columns; both are folded, between words where they can be."""
    shown = Table(
        title=title, title_justify="left", show_header=False, box=None, padding=(0, _GAP, 0, 0),
        pad_edge=False,
    )  # fmt: skip
    shown.add_column(style="bold", overflow="fold", max_width=_NAMES)
    shown.add_column(overflow="fold")
    for name, value in facts.items():
        shown.add_row(name, value)
    console.print(shown, soft_wrap=False)


def _fitting(table: "ResultTable", width: int) -> tuple[list[str], list[str]]:
    """The columns that there is room for, and the others."""
    keys, left_out = list(table.columns), []
    figures = [key for key in keys if not table.columns[key].text]
    # The lightest first, of these the last; one column of figures stays.
    figures.sort(key=lambda key: (table.columns[key].weight, -keys.index(key)))
    dispensable = figures[:-1]

    def needed(folded: int) -> int:
        texts = [key for key in keys if table.columns[key].text]
        words = sum(min(_width(table, key), folded) for key in texts)
        whole = sum(_width(table, key) for key in keys if key not in texts)
        return words + whole + _GAP * (len(keys) - 1)

    for key in dispensable:
        if needed(_FOLDED if table.columns[key].weight else _WHOLE) > width:
            keys.remove(key)
            left_out.append(key)
    return keys, [key for key in table.columns if key in left_out]


def _width(table: "ResultTable", key: str) -> int:
    """Characters of the longest line of a column; headings are folded at spaces."""
    lines = [line for row in table.rows if key in row for line in _lines(row[key])]
    return max(map(len, [*table.columns[key].heading.split(), *lines]))


def _lines(cell: "TableCell") -> list[str]:
    return [cell.value, *cell.details]
