"""Reads a record of an evaluation, also one that an older version wrote."""

import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from crln.evaluation.metrics import BY_KEY, ClassMetrics, Unit
from crln.evaluation.results import Evaluation, LeftOut, Measurement
from crln.files import checked, read_json


def read_evaluation(path: Path) -> Evaluation:
    """Reads what `Evaluation.save` wrote as JSON, in this or an earlier version.

    Metrics that the file does not know were not measured; those that are no longer known are
    passed over.

    Raises:
        CrlnError: missing, damaged, or another kind of file.

    Examples:
        >>> *tables, record = crln.evaluate("masks", "data/labels").save("results")
        >>> crln.read_evaluation(record).summarised("dice").mean
        1.0
    """
    path, remedy = Path(path), "evaluate again"
    record = checked(read_json(path, remedy), _Record, path, remedy)
    return Evaluation(
        record.unit,
        record.largest_component,
        tuple(Measurement(row.case, row.value, row.name, row.metrics) for row in record.rows),
        tolerances=record.tolerances,
        left_out=record.left_out,
        read=record.read,
    )


class _Row(BaseModel, extra="allow"):
    """A case and class of a record; the metrics, of which old records have fewer, are extra."""

    __pydantic_extra__: dict[str, Any] = Field(init=False)
    case: str
    value: int
    name: str = Field(alias="class")
    predicted: int
    true: int

    @property
    def metrics(self) -> ClassMetrics:
        known = {key: f for key, f in self.__pydantic_extra__.items() if key in BY_KEY}
        figures = {key: math.nan if f is None else float(f) for key, f in known.items()}
        return ClassMetrics(figures, self.predicted, self.true)


class _Record(BaseModel):
    """What `Evaluation.to_json` writes, and what it wrote before there was the second half."""

    unit: Unit
    largest_component: bool
    rows: list[_Row]
    tolerances: dict[int, float] = Field(default_factory=dict)
    left_out: LeftOut = Field(default_factory=LeftOut)
    read: dict[str, tuple[str, str]] = Field(default_factory=dict)
