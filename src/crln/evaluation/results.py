"""What an evaluation found: rows per case and class, their summary, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from crln.errors import CrlnError
from crln.evaluation.metrics import METRICS, ClassMetrics
from crln.evaluation.statistics import bootstrap_interval
from crln.files import write_text

Unit = Literal["mm", "voxel"]

FOREGROUND = "foreground"
"""The name of the mean over classes."""

UNDEFINED = (
    "An empty value is undefined: Dice and Jaccard where neither mask has the class, distances "
    "where either lacks it. Undefined values are counted and left out of means, never scored as 0."
)


@dataclass(frozen=True)
class Row:
    """The metrics of one class in one case.

    Attributes:
        case: the case id.
        value: the label value of the class.
        name: what the class is called.
        metrics: Dice, Jaccard, distances and volumes.
    """

    case: str
    value: int
    name: str
    metrics: ClassMetrics


@dataclass(frozen=True)
class Summary:
    """One metric of one class, over the cases in which it is defined.

    Attributes:
        name: the class, or `foreground`: per case the mean over its defined classes.
        metric: one of `METRICS`.
        mean: over cases; NaN where no case is defined, as are the three below.
        std: sample standard deviation over cases (n - 1).
        low: lower end of the bootstrap 95 % interval of the mean.
        high: upper end of it.
        cases: cases that enter the mean.
        undefined: undefined values; for `foreground`, of all classes together.
    """

    name: str
    metric: str
    mean: float
    std: float
    low: float
    high: float
    cases: int
    undefined: int


@dataclass(frozen=True)
class Evaluation:
    """The metrics of every case and class of one set of predictions.

    Attributes:
        unit: of the distances.
        largest_component: whether only each class's largest component was measured.
        rows: ordered by case, then class; every case has every class.
    """

    unit: Unit
    largest_component: bool
    rows: tuple[Row, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """The case ids, in the order of the rows."""
        return tuple(dict.fromkeys(row.case for row in self.rows))

    @property
    def class_names(self) -> dict[int, str]:
        """Label value to name, in the order of the rows."""
        return {row.value: row.name for row in self.rows}

    def values(self, metric: str, value: int | None = None) -> dict[str, float]:
        """Case id to one metric of one class; without `value`, of the foreground.

        The foreground's is the mean over the classes that are defined in the case.
        """
        chosen: dict[str, list[float]] = {case: [] for case in self.cases}
        for row in self.rows:
            figure = getattr(row.metrics, metric)
            if (value is None or row.value == value) and not math.isnan(figure):
                chosen[row.case].append(figure)
        return {case: float(np.mean(v)) if v else math.nan for case, v in chosen.items()}

    @cached_property
    def summary(self) -> tuple[Summary, ...]:
        """Per class, then for the foreground, one entry for each of `METRICS`."""
        found = []
        groups: list[tuple[int | None, str]] = [*self.class_names.items(), (None, FOREGROUND)]
        for value, name in groups:
            chosen = [row.metrics for row in self.rows if value is None or row.value == value]
            for metric in METRICS:
                undefined = sum(math.isnan(getattr(metrics, metric)) for metrics in chosen)
                figures = list(self.values(metric, value).values())
                found.append(_summarise(name, metric, figures, undefined))
        return tuple(found)

    def summarised(self, metric: str, name: str = FOREGROUND) -> Summary:
        """The summary of one metric of the class called `name`."""
        return next(s for s in self.summary if (s.name, s.metric) == (name, metric))

    def save(self, path: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
        """Writes `path` with the suffix .csv and with the suffix .json.

        Raises:
            CrlnError: one of them exists and `overwrite` is not set, or cannot be written.
        """
        path = Path(path)
        stem = path.with_suffix("") if path.suffix in {".csv", ".json"} else path
        table, record = (stem.with_name(stem.name + suffix) for suffix in (".csv", ".json"))
        for target in (table, record):
            if target.exists() and not overwrite:
                raise CrlnError(f"{target}: exists; give another name, or --overwrite")
        write_text(table, self.to_csv())
        write_text(record, self.to_json())
        return table, record

    def to_csv(self) -> str:
        """One line per case and class (`row` is "case"), then the summary's lines by statistic."""
        text = io.StringIO()
        names = [field.name for field in fields(ClassMetrics)]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", "case", "class", *names])
        for row in self.rows:
            cells = [_cell(getattr(row.metrics, name)) for name in names]
            writer.writerow(["case", row.case, row.name, *cells])
        for case in self.cases:
            cells = [_cell(self.values(name)[case]) for name in METRICS]
            writer.writerow(["case", case, FOREGROUND, *cells, "", ""])
        for statistic in ("mean", "std", "low", "high", "cases", "undefined"):
            for name in [*self.class_names.values(), FOREGROUND]:
                cells = [_cell(getattr(self.summarised(m, name), statistic)) for m in METRICS]
                writer.writerow([statistic, "", name, *cells, "", ""])
        return text.getvalue()

    def to_json(self) -> str:
        """Rows and summary; an undefined value is null."""
        rows = [
            {"case": r.case, "value": r.value, "class": r.name, **_nulls(asdict(r.metrics))}
            for r in self.rows
        ]
        record = {
            "unit": self.unit,
            "largest_component": self.largest_component,
            "undefined": UNDEFINED,
            "rows": rows,
            "summary": [_nulls(asdict(summary)) for summary in self.summary],
        }
        return json.dumps(record, indent=1, allow_nan=False) + "\n"


def read_evaluation(path: Path) -> Evaluation:
    """Reads what `Evaluation.save` wrote as JSON.

    Raises:
        CrlnError: missing, damaged, or another kind of file.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = tuple(
            Row(row["case"], row["value"], row["class"], _metrics(row)) for row in record["rows"]
        )
        return Evaluation(record["unit"], record["largest_component"], rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CrlnError(f"{path}: missing or not an evaluation; evaluate again") from error


def _metrics(row: dict[str, Any]) -> ClassMetrics:
    figures: dict[str, Any] = {field.name: row[field.name] for field in fields(ClassMetrics)}
    undefined = {name: math.nan for name, figure in figures.items() if figure is None}
    return ClassMetrics(**(figures | undefined))


def _summarise(name: str, metric: str, figures: Sequence[float], undefined: int) -> Summary:
    defined = np.array([figure for figure in figures if not math.isnan(figure)])
    low, high = bootstrap_interval(defined)
    return Summary(
        name=name,
        metric=metric,
        mean=float(defined.mean()) if len(defined) else math.nan,
        std=float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
        low=low,
        high=high,
        cases=len(defined),
        undefined=undefined,
    )


def _cell(figure: float) -> str:
    if isinstance(figure, int):
        return str(figure)
    return "" if math.isnan(figure) else f"{figure:.6g}"


def _nulls(record: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in record.items()}
