"""Tables of results, whatever shows them: a page, a terminal, Markdown or LaTeX."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crln.evaluation.metrics import Metric, Unit
from crln.evaluation.results import Evaluation, Summary
from crln.evaluation.statistics import FEWEST, TOO_FEW

MEAN = "mean over classes"
MOST = 6
"""Columns of figures or words side by side on a page, beside those that name the row."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": r"$<$", ">": r"$>$",
}  # fmt: skip


@dataclass(frozen=True)
class TableCell:
    """A figure and what stands small below it.

    Attributes:
        value: such as "86.2 ± 0.4".
        details: such as an interval; an entry each.
        best: whether it leads its column.
    """

    value: str = ""
    details: tuple[str, ...] = ()
    best: bool = False

    @property
    def detail(self) -> str:
        """All details in one line."""
        return ", ".join(self.details)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: with the unit.
        text: whether it holds words, which may be folded; figures may not.
        weight: where there is no room for all columns, the lightest go first; on a page those of no
            weight stand apart.
        row: whether it tells which row it is, and is repeated where columns stand apart.
    """

    heading: str
    text: bool = False
    weight: int = 1
    row: bool = False


@dataclass(frozen=True)
class ResultTable:
    """Rows of cells under named columns.

    Attributes:
        columns: key to column, from left to right; the first names the rows.
        rows: key of a column to its cell; one that is not there is empty.
        caption: what is shown and how to read it.
    """

    columns: Mapping[str, Column]
    rows: Sequence[Mapping[str, TableCell]]
    caption: str = ""
    kind: str = field(default="table", init=False)

    @property
    def header(self) -> list[str]:
        """The headings."""
        return [column.heading for column in self.columns.values()]

    @property
    def cells(self) -> list[list[TableCell]]:
        """Every row from left to right."""
        return [[row.get(key, TableCell()) for key in self.columns] for row in self.rows]

    @property
    def parts(self) -> "tuple[ResultTable, ...]":
        """What is read first, then what a page has no room for beside it, if there is anything.

        That are the columns of no weight, and of more than `MOST` columns of figures the lightest.
        """
        figures = [key for key, column in self.columns.items() if not column.row]
        heaviest = sorted(figures, key=lambda key: -self.columns[key].weight)
        apart = {key for key in figures if not self.columns[key].weight} | set(heaviest[MOST:])
        if not apart:
            return (self,)
        first = {key: column for key, column in self.columns.items() if key not in apart}
        rest = {k: c for k, c in self.columns.items() if k in apart or c.row}
        return replace(self, columns=first), replace(self, columns=rest, caption="")

    def to_markdown(self) -> str:
        """As Markdown; what leads is bold, details are in brackets."""
        lines = ["| " + " | ".join(self.header) + " |", "|" + "---|" * len(self.columns)]
        for row in self.cells:
            lines.append("| " + " | ".join(map(_markdown_cell, row)) + " |")
        return "\n".join([*lines, "", self.caption])

    def to_latex(self) -> str:
        """As a LaTeX table; needs the package booktabs."""
        places = "".join("l" if column.text else "r" for column in self.columns.values())
        lines = [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "\\centering",
            f"\\begin{{tabular}}{{{places}}}",
            "\\toprule",
            _latex_line(map(_latex, self.header)),
            "\\midrule",
            *(_latex_line(map(_latex_cell, row)) for row in self.cells),
            "\\bottomrule",
            "\\end{tabular}",
            f"\\caption{{{_latex(self.caption)}}}",
            "\\end{table}",
        ]
        return "\n".join(lines) + "\n"


def evaluation_table(evaluation: Evaluation) -> ResultTable:
    """Mean, standard deviation and 95 % interval per class, and of the mean over classes.

    Shares are in per cent, distances in the evaluation's unit.
    """
    metrics = evaluation.metrics
    names = evaluation.class_names
    # With a single class the mean over classes would only repeat it.
    values: list[int | None] = [*names, *([None] if len(names) > 1 else [])]
    rows = []
    for value in values:
        name = MEAN if value is None else class_title(names, value)
        row = {"class": TableCell(name)}
        for metric in metrics:
            row[metric.key] = summary_cell(metric, evaluation.summarised(metric.key, value))
        rows.append(row)
    caption = "mean ± standard deviation over cases; below, the 95 % interval of the mean"
    if len(evaluation.cases) < FEWEST:
        spread = "mean ± standard deviation over cases" if len(evaluation.cases) > 1 else "one case"
        caption = f"{spread}; {TOO_FEW}"
    return ResultTable(_columns("class", metrics=metrics, unit=evaluation.unit), rows, caption)


def case_table(evaluation: Evaluation) -> ResultTable:
    """A row for each case and class."""
    names = evaluation.class_names
    rows = []
    for found in evaluation.rows:
        row = {"case": TableCell(found.case), "class": TableCell(class_title(names, found.value))}
        for metric in evaluation.metrics:
            row[metric.key] = TableCell(metric.shown(found.metrics[metric.key]))
        rows.append(row)
    columns = _columns("case", "class", metrics=evaluation.metrics, unit=evaluation.unit)
    return ResultTable(columns, rows)


def class_title(names: Mapping[int, str], value: int) -> str:
    """The name of a class, with its value where another has the same name."""
    name = names[value]
    return f"{name} ({value})" if list(names.values()).count(name) > 1 else name


def summary_cell(metric: Metric, summary: Summary) -> TableCell:
    """Mean ± standard deviation, the interval, and how many values are undefined."""
    return figure_cell(
        metric, summary.mean, summary.std, (summary.low, summary.high), summary.undefined
    )


def figure_cell(
    metric: Metric,
    mean: float,
    std: float,
    interval: tuple[float, float],
    undefined: int,
    *,
    best: bool = False,
) -> TableCell:
    """A mean as tables show it; empty where nothing was measured."""
    if math.isnan(mean) and not undefined:
        return TableCell()
    text = metric.shown(mean)
    if not math.isnan(std):
        text += f" ± {metric.shown(std)}"
    details = []
    if not math.isnan(interval[0]):
        details.append(" to ".join(metric.shown(end) for end in interval))
    if undefined:
        details.append(f"{undefined} undefined")
    return TableCell(text, tuple(details), best)


def _columns(*texts: str, metrics: Sequence[Metric], unit: Unit) -> dict[str, Column]:
    columns = {key: Column(key, text=True, row=True) for key in texts}
    for metric in metrics:
        weight = 2 if metric.plotted else int(metric.compared)
        columns[metric.key] = Column(metric.title(unit), weight=weight)
    return columns


def _markdown_cell(cell: TableCell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    text = f"{value} ({cell.detail})" if cell.detail else value
    return text.replace("|", r"\|")


def _latex_line(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"


def _latex_cell(cell: TableCell) -> str:
    value = f"\\textbf{{{_latex(cell.value)}}}" if cell.best else _latex(cell.value)
    return f"{value} {{\\scriptsize {_latex(cell.detail)}}}" if cell.detail else value


def _latex(text: str) -> str:
    return re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], text)
