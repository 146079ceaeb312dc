"""Curves of a training that a browser draws: type keeps its size however wide the page is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST = 240
"""Points of a curve at most; of more the means of neighbours are drawn."""


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        name: what is drawn.
        hue: "#rrggbb".
        steps: of its points, ascending.
        values: of the same points; NaN leaves a point out.
    """

    name: str
    hue: str
    steps: np.ndarray
    values: np.ndarray

    @property
    def known(self) -> "Curve":
        """Its points that have a value."""
        there = np.isfinite(self.values)
        return Curve(self.name, self.hue, self.steps[there], self.values[there])


@dataclass(frozen=True)
class Panel:
    """Curves over the steps of a training, its phases shaded.

    Attributes:
        title: what the values are.
        curves: from the first.
        phases: the name of each and the steps done at its end.
        total: steps in all.
        from_zero: whether the axis begins at 0; else a little below the lowest value.
    """

    title: str
    curves: Sequence[Curve]
    phases: Sequence[tuple[str, int]]
    total: int
    from_zero: bool = True

    @property
    def drawn(self) -> dict[str, object]:
        """What `curves.html` shows: places are in per cent of the plot."""
        known = [curve for each in self.curves if len((curve := each.known).steps)]
        low, high, ticks = _axis([curve.values for curve in known], self.from_zero)
        lines = [
            {"name": curve.name, "hue": curve.hue, "last": _shown(float(curve.values[-1])),
             "path": self._path(curve, low, high)}
            for curve in known
        ]  # fmt: skip
        return {
            "title": self.title, "lines": lines, "alt": self._alt(known), "phases": self._shades(),
            "across": [
                {"at": 100 * step / self.total, "text": f"{step:,}"} for step in _steps(self.total)
            ],
            "up": [{"at": 100 * (t - low) / (high - low), "text": _shown(t)} for t in ticks],
        }  # fmt: skip

    def _path(self, curve: Curve, low: float, high: float) -> str:
        groups = math.ceil(len(curve.steps) / MOST)
        pairs = zip(_means(curve.steps, groups), _means(curve.values, groups), strict=True)
        points = [
            f"{100 * step / self.total:.2f},{100 - 100 * (value - low) / (high - low):.2f}"
            for step, value in pairs
        ]
        return "M" + "L".join(points)

    def _shades(self) -> list[dict[str, object]]:
        first, found = 0, []
        for name, last in self.phases:
            if last > first:
                at, width = 100 * first / self.total, 100 * (last - first) / self.total
                found.append({"name": name, "at": at, "width": width})
                first = last
        return found

    def _alt(self, curves: Sequence[Curve]) -> str:
        """What is seen, in words."""
        told = [
            f"{curve.name} from {_shown(float(curve.values[0]))} at step {int(curve.steps[0]):,} "
            f"to {_shown(float(curve.values[-1]))} at step {int(curve.steps[-1]):,}"
            for curve in curves
        ]
        return f"{self.title}: {'; '.join(told) or 'nothing yet'}"


def _means(values: np.ndarray, size: int) -> np.ndarray:
    """Of each so many neighbours."""
    starts = np.arange(0, len(values), max(size, 1))
    sums = np.add.reduceat(values.astype(float), starts)
    means: np.ndarray = sums / np.diff([*starts, len(values)])
    return means


def _axis(values: Sequence[np.ndarray], from_zero: bool) -> tuple[float, float, list[float]]:
    """Ends of an axis, and some round figures on it."""
    every = np.concatenate([np.zeros(0), *values])
    low = 0.0 if from_zero or not every.size else float(every.min())
    low = min(low, float(every.min(initial=0.0))) if from_zero else low
    high = float(every.max(initial=low))
    if high <= low:
        high = low + 1.0
    step = _round_step((high - low) / 4)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return first * step, last * step, [i * step for i in range(first, last + 1)]


def _steps(total: int) -> list[int]:
    """Round numbers of steps, and the last."""
    step = max(1, int(_round_step(total / 4)))
    return [*range(0, int(total - 0.4 * step), step), total]


def _round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, at least as much."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * 0.999)


def _shown(value: float) -> str:
    text = f"{value:.3g}"
    return f"{value:,.0f}" if "e+" in text else text
