"""The table of metrics, and what they are computed from; a metric is known here and nowhere else.

To add one, write its function of a `ClassPair` and a line of `METRICS`: evaluation, files, tables,
pages and comparisons take it from there.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from crln.errors import CrlnError
from crln.evaluation import fine

Unit = Literal["mm", "voxel"]
"""Of distances."""

TOLERANCE = 1.0
"""Of normalised surface Dice, where a class has none of its own; in the unit of distances."""

Tolerances = float | Mapping[int | None, float]
"""Of all classes; or label value to that of one class, None to that of all others."""


@dataclass(frozen=True)
class Measuring:
    """How masks are measured.

    Attributes:
        unit: of distances.
        tolerance: of normalised surface Dice, in that unit; or label value to it.
        fine: measure thin parts, surfaces and topology too.
    """

    unit: Unit = "mm"
    tolerance: Tolerances = TOLERANCE
    fine: bool = False


def tolerance_of(tolerances: Tolerances, value: int) -> float:
    """The tolerance of one class."""
    tolerance = tolerances
    if isinstance(tolerances, Mapping):
        tolerance = tolerances.get(value, tolerances.get(None, TOLERANCE))
    if not 0 <= float(tolerance) < math.inf:  # type: ignore[arg-type]
        raise CrlnError(f"tolerance {tolerance}: give a distance of 0 or more")
    return float(tolerance)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ClassPair:
    """One class of one case: its voxels, and the distances between its two surfaces.

    Attributes:
        both: voxels of the class in both masks.
        predicted: voxels of the class in the prediction.
        true: voxels of the class in the truth.
        to_true: (P,) from each surface voxel of the prediction to the truth's nearest; inf where
            the truth lacks the class.
        to_predicted: (T,) from each surface voxel of the truth to the prediction's nearest; inf
            where the prediction lacks the class.
        voxel_ml: volume of a voxel in ml; NaN where nobody knows it.
        tolerance: of normalised surface Dice, in the unit of the distances.
        size: voxel size along X, Y, Z, in the unit of the distances.
        prediction: (X, Y, Z) bool, the class around where either mask has it; None where fine
            metrics are not asked for, or cannot be told, as the truth is known in part only.
        truth: (X, Y, Z) bool, likewise.
    """

    both: int
    predicted: int
    true: int
    to_true: np.ndarray
    to_predicted: np.ndarray
    voxel_ml: float = math.nan
    tolerance: float = TOLERANCE
    size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    prediction: np.ndarray | None = None
    truth: np.ndarray | None = None

    @cached_property
    def pooled(self) -> np.ndarray:
        """(P + T,), the distances of both surfaces to each other."""
        return np.concatenate([self.to_true, self.to_predicted])

    @property
    def complete(self) -> bool:
        """Whether both masks have the class, so that there is a distance between them."""
        return bool(self.predicted and self.true)


@dataclass(frozen=True)
class Metric:
    """A figure of merit of one class in one case.

    Attributes:
        key: its name in files and in Python.
        name: what a text calls it.
        heading: what a table calls it, without the unit.
        unit: "%" (a share, shown times 100), "distance" (`Unit` says of what), "ml" or "count".
        better: where a good figure lies: "high", "low", or at "zero" from either side.
        measure: computes it; NaN marks what is undefined, which is never scored as 0 or 1.
        plotted: whether pages draw it case by case.
        compared: whether comparisons of methods show it.
        fine: of thin parts, surfaces or topology: measured only where asked for, as it takes up to
            seconds a case.
    """

    key: str
    name: str
    heading: str
    unit: Literal["%", "distance", "ml", "count"]
    better: Literal["high", "low", "zero"]
    measure: Callable[[ClassPair], float]
    plotted: bool = False
    compared: bool = True
    fine: bool = False

    @property
    def scale(self) -> int:
        """What figures are multiplied by where they are shown or plotted."""
        return 100 if self.unit == "%" else 1

    def title(self, unit: Unit) -> str:
        """Heading and unit, such as "95HD mm"."""
        if self.unit == "count":
            return self.heading
        return f"{self.heading} {unit if self.unit == 'distance' else self.unit}"

    def shown(self, figure: float, digits: int = 2, *, sign: bool = False) -> str:
        """The figure in the table's unit, without naming it; "n/a" where it is undefined."""
        return "n/a" if math.isnan(figure) else f"{self.scale * figure:{'+' * sign}.{digits}f}"

    def lead(self, figures: Mapping[int, float]) -> set[int]:
        """The keys of the best figures, all of them where they tie; NaN never leads."""
        sign = {"high": -1, "low": 1, "zero": 0}[self.better]
        distance = {k: sign * f if sign else abs(f) for k, f in figures.items() if f == f}
        return {k for k, d in distance.items() if d == min(distance.values())}


def _percentile95(pair: ClassPair) -> float:
    return float(np.percentile(pair.pooled, 95)) if pair.complete else math.nan


def _asd(pair: ClassPair) -> float:
    return float(pair.to_true.mean()) if pair.complete else math.nan


def _assd(pair: ClassPair) -> float:
    return float(pair.pooled.mean()) if pair.complete else math.nan


def _surface_dice(pair: ClassPair) -> float:
    return float((pair.pooled <= pair.tolerance).mean())


def _relative_volume(pair: ClassPair) -> float:
    return (pair.predicted - pair.true) / pair.true if pair.true else math.nan


def _fine(measure: Callable[..., float], *, sized: bool = False) -> Callable[[ClassPair], float]:
    """A figure of the two masks, and of the voxel size where it is `sized`."""

    def figure(pair: ClassPair) -> float:
        if pair.prediction is None or pair.truth is None:
            return math.nan
        return measure(pair.prediction, pair.truth, *([pair.size] if sized else []))

    return figure


def _fine_surface_dice(pair: ClassPair) -> float:
    return float((pair.pooled <= min(pair.size)).mean())


METRICS = (
    # 2 |P n T| / (|P| + |T|)
    Metric(
        "dice", "Dice", "Dice", "%", "high",
        lambda pair: 2 * pair.both / (pair.predicted + pair.true), plotted=True,
    ),
    # |P n T| / |P u T|
    Metric(
        "jaccard", "Jaccard", "Jaccard", "%", "high",
        lambda pair: pair.both / (pair.predicted + pair.true - pair.both),
    ),
    # 95th percentile of the distances of both surfaces to each other, pooled
    Metric(
        "hd95", "95% Hausdorff distance", "95HD", "distance", "low", _percentile95, plotted=True
    ),
    # from the prediction's surface to the truth's (medpy's `asd`, the one that this field's papers
    # report; it does not see what the prediction misses)
    Metric("asd", "average surface distance", "ASD", "distance", "low", _asd),
    # of both surfaces to each other, pooled
    Metric(
        "assd", "average symmetric surface distance", "ASSD", "distance", "low", _assd,
        compared=False,
    ),
    # the share of both surfaces that lies within the tolerance of the other (Nikolov et al. 2018,
    # arXiv 1809.04430); 0 where one mask lacks the class
    Metric("nsd", "normalised surface Dice", "NSD", "%", "high", _surface_dice),
    Metric(
        "volume_ml", "volume difference", "Vol. diff.", "ml", "zero",
        lambda pair: (pair.predicted - pair.true) * pair.voxel_ml, compared=False,
    ),
    Metric(
        "volume_relative", "relative volume difference", "Vol. diff.", "%", "zero",
        _relative_volume, compared=False,
    ),
    Metric(
        "cldice", "centreline Dice", "clDice", "%", "high", _fine(fine.centreline_dice), fine=True
    ),
    # where local thickness is below `fine.THIN` edges of the finest voxel
    Metric(
        "thin_dice", "Dice of thin parts", "Thin Dice", "%", "high",
        _fine(fine.thin_dice, sized=True), fine=True,
    ),
    # at a tolerance of the finest voxel's edge
    Metric(
        "nsd_fine", "surface Dice within a voxel", "NSD 1 voxel", "%", "high", _fine_surface_dice,
        fine=True,
    ),
    Metric(
        "curvature", "difference in the spread of curvature", "Curvature", "%", "zero",
        _fine(fine.curvature_difference, sized=True), fine=True,
    ),
    Metric(
        "betti", "Betti error", "Betti error", "count", "low", _fine(fine.betti_error), fine=True
    ),
)  # fmt: skip
"""Every metric, in the order in which tables show them. Volume differences are predicted - true."""

BY_KEY = {metric.key: metric for metric in METRICS}


def measured_metrics(*, fine: bool = False) -> tuple[Metric, ...]:
    """Those that are measured: all, or all but the fine ones."""
    return tuple(metric for metric in METRICS if fine or not metric.fine)


@dataclass(frozen=True)
class ClassMetrics:
    """One class of one case.

    Attributes:
        figures: key of a metric to its figure; NaN is undefined; a key that is not there was not
            measured, as in files of an earlier version.
        predicted: voxels of the class in the prediction.
        true: voxels of the class in the truth.
    """

    figures: Mapping[str, float] = field(
        default_factory=lambda: {metric.key: math.nan for metric in measured_metrics()}
    )
    predicted: int = 0
    true: int = 0

    def __getitem__(self, key: str) -> float:
        """One figure; NaN where it is undefined or was not measured."""
        return self.figures.get(key, math.nan)


def undefined(*, fine: bool = False) -> ClassMetrics:
    """Of a class that neither mask has."""
    return ClassMetrics({metric.key: math.nan for metric in measured_metrics(fine=fine)})


def class_metrics(pair: ClassPair, *, fine: bool = False) -> ClassMetrics:
    """All metrics of a class; undefined altogether where neither mask has it."""
    if not pair.predicted and not pair.true:
        return undefined(fine=fine)
    figures = {m.key: float(m.measure(pair)) for m in measured_metrics(fine=fine)}
    return ClassMetrics(figures, pair.predicted, pair.true)
