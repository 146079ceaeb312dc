"""What an evaluation found: figures per case and class, their summary, CSV and JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crln.cohort import Label
from crln.errors import CrlnError, counted, needs
from crln.evaluation.left_out import LeftOut
from crln.evaluation.metrics import BY_KEY, METRICS, ClassMetrics, Metric, Unit
from crln.evaluation.statistics import bootstrap_interval, only_defined
from crln.evaluation.text import csv_text, without_nan
from crln.files import write_text
from crln.labels import LabelSpace
from crln.notebook import facts_html

if TYPE_CHECKING:
    import pandas

FOREGROUND = "foreground"
"""What files call the mean over classes. Its key is that it has no label value: a class may have
this name too."""

UNDEFINED = (
    "An empty value is undefined: overlaps where neither mask has the class, distances where "
    "either lacks it. Undefined values are counted and left out of means, never scored as 0. A "
    "metric that is not there was not measured."
)
_STATISTICS = ("mean", "std", "low", "high", "cases", "undefined")


@dataclass(frozen=True)
class Measurement:
    """One class of one case.

    Attributes:
        case: the case id.
        value: the label value of the class, by which it is known.
        name: what the class is called.
        metrics: its figures and voxels.
    """

    case: str
    value: int
    name: str
    metrics: ClassMetrics


@dataclass(frozen=True)
class Summary:
    """One metric of one class, over the cases in which it is defined.

    Attributes:
        value: the label value of the class; None for the mean over classes: per case the mean over
            its defined classes.
        name: what the class is called; `foreground` for the mean over classes.
        metric: the key of the metric.
        mean: over cases; NaN where no case is defined, as are the three below.
        std: sample standard deviation over cases (n - 1).
        low: lower end of the bootstrap 95 % interval of the mean; NaN below `statistics.FEWEST`
            cases.
        high: upper end of it.
        cases: cases that enter the mean.
        undefined: undefined values; for the mean over classes, of all classes together.
    """

    value: int | None
    name: str
    metric: str
    mean: float
    std: float
    low: float
    high: float
    cases: int
    undefined: int


@dataclass(frozen=True)
class Sources:
    """What was measured, for pages that show it; a record does not keep it.

    Attributes:
        files: case id to its mask and its label.
        labels: what their values mean, where a plan or a cohort says so.
        ignore: the value of what nobody outlined.
    """

    files: Mapping[str, tuple[Label, Label]] = field(default_factory=dict)
    labels: LabelSpace | None = None
    ignore: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """The metrics of every case and class of one set of predictions.

    Attributes:
        unit: of the distances.
        largest_component: whether only each class's largest component was measured.
        rows: ordered by case, then class; every case has every class.
        tolerances: of normalised surface Dice, label value to it, in `unit`.
        left_out: what was there and not measured.
        read: case id to the SHA-256 of its mask and of its label, as they were measured.
        sources: the files; none of an evaluation that was read from its record.

    Examples:
        >>> evaluation = crln.evaluate("masks", "data/labels")
        >>> written = evaluation.save("results")
        >>> evaluation.to_frame().groupby("class")["dice"].mean().round(2).to_dict()
        {'class 1': 1.0, 'class 2': 1.0}
    """

    unit: Unit
    largest_component: bool
    rows: tuple[Measurement, ...]
    tolerances: Mapping[int, float] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    read: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources, compare=False, repr=False)

    @property
    def cases(self) -> tuple[str, ...]:
        """The case ids, in the order of the rows."""
        return tuple(dict.fromkeys(row.case for row in self.rows))

    @property
    def class_names(self) -> dict[int, str]:
        """Label value to name, in the order of the rows."""
        return {row.value: row.name for row in self.rows}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those that were measured; an older file lacks newer ones."""
        return tuple(m for m in METRICS if any(m.key in row.metrics.figures for row in self.rows))

    def values(self, metric: str, value: int | None = None) -> dict[str, float]:
        """Case id to one metric of one class; without `value`, of the mean over classes.

        That is the mean over the classes that are defined in the case.
        """
        chosen: dict[str, list[float]] = {case: [] for case in self.cases}
        for row in self.rows:
            figure = row.metrics[metric]
            if (value is None or row.value == value) and not math.isnan(figure):
                chosen[row.case].append(figure)
        return {case: float(np.mean(v)) if v else math.nan for case, v in chosen.items()}

    def undefined(self, metric: str, value: int | None = None) -> int:
        """How many values of one class, or of all, were measured and are undefined."""
        rows = [row for row in self.rows if value is None or row.value == value]
        return sum(math.isnan(row.metrics.figures.get(metric, 0.0)) for row in rows)

    @cached_property
    def summary(self) -> tuple[Summary, ...]:
        """Per class, then for the mean over classes, one entry for each of `metrics`."""
        return tuple(
            self.summarised(metric.key, value)
            for value in (*self.class_names, None)
            for metric in self.metrics
        )

    def summarised(self, metric: str, value: int | None = None) -> Summary:
        """The summary of one metric of one class; without `value`, of the mean over classes.

        Args:
            metric: the key of a metric.
            value: the label value of the class.

        Raises:
            KeyError: there is no such metric.
        """
        figures = list(self.values(BY_KEY[metric].key, value).values())
        defined = only_defined(figures)
        low, high = bootstrap_interval(defined)
        return Summary(
            value=value,
            name=FOREGROUND if value is None else self.class_names.get(value, f"class {value}"),
            metric=metric,
            mean=float(defined.mean()) if len(defined) else math.nan,
            std=float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
            low=low,
            high=high,
            cases=len(defined),
            undefined=self.undefined(metric, value),
        )

    def save(self, path: Path, *, overwrite: bool = False) -> tuple[Path, Path, Path]:
        """Writes the summary (`.csv`), a line per case and class (`-cases.csv`), all (`.json`).

        Args:
            path: a name without suffix; .csv, .json or .html is taken off.
            overwrite: replace files that are there.

        Raises:
            CrlnError: one of them exists and `overwrite` is not set, or cannot be written.
        """
        forms = {".csv": self.to_csv, "-cases.csv": self.cases_csv, ".json": self.to_json}
        files = [named(path, ending) for ending in forms]
        for target in files:
            if target.exists() and not overwrite:
                raise CrlnError(f"{target}: exists; give another name, or --overwrite")
        for target, form in zip(files, forms.values(), strict=True):
            write_text(target, form())
        summary, cases, record = files
        return summary, cases, record

    def cases_csv(self) -> str:
        """One line per case and class."""
        keys = [metric.key for metric in self.metrics]
        lines = [
            [r.case, r.value, r.name, *(r.metrics[key] for key in keys), *_voxels(r.metrics)]
            for r in self.rows
        ]
        return csv_text(["case", "value", "class", *keys, "predicted", "true"], lines)

    def to_csv(self) -> str:
        """One line per statistic and class; the mean over classes has no value, and comes last."""
        lines = []
        for statistic in _STATISTICS:
            for value in (*self.class_names, None):
                found = [self.summarised(metric.key, value) for metric in self.metrics]
                name = FOREGROUND if value is None else self.class_names[value]
                lines.append([statistic, value, name, *(getattr(s, statistic) for s in found)])
        return csv_text(["row", "value", "class", *(metric.key for metric in self.metrics)], lines)

    def to_frame(self) -> "pandas.DataFrame":
        """One row per case and class, as `cases_csv` has them; an undefined value is NaN.

        Raises:
            CrlnError: pandas is not installed.
        """
        with needs("notebook", "a table"):
            import pandas
        return pandas.DataFrame(self._records())

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                "case": row.case, "value": row.value, "class": row.name, **row.metrics.figures,
                **dict(zip(("predicted", "true"), _voxels(row.metrics), strict=True)),
            }
            for row in self.rows
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        dice = {name: self.summarised("dice", value) for value, name in self.class_names.items()}
        return facts_html(f"Dice of {counted(len(self.cases), 'case')}", {
            name: f"{found.mean:.3f} ± {found.std:.3f}" for name, found in dice.items()
        })  # fmt: skip

    def to_json(self) -> str:
        """All of it; an undefined value is null."""
        record = {
            "unit": self.unit,
            "largest_component": self.largest_component,
            "tolerances": {str(value): size for value, size in self.tolerances.items()},
            "left_out": {
                "without_label": self.left_out.without_label,
                "without_mask": self.left_out.without_mask,
                "values": _by_name(self.left_out.values),
                "mask_values": _by_name(self.left_out.mask_values),
            },
            "read": self.read,
            "undefined": UNDEFINED,
            "rows": [without_nan(row) for row in self._records()],
            "summary": [without_nan(asdict(summary)) for summary in self.summary],
        }
        return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _by_name(cases: Mapping[int, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {str(value): ids for value, ids in cases.items()}


def named(path: Path, ending: str) -> Path:
    """A file of an evaluation: its name, without suffix or with one of ours, and an ending."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in {".csv", ".json", ".html"} else path
    return stem.with_name(stem.name + ending)


def _voxels(metrics: ClassMetrics) -> tuple[int, int]:
    return metrics.predicted, metrics.true
