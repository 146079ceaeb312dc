"""What a scan is like, and what in it is far from all that a training has seen."""

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from crln.imaging import Volume
from crln.planning.plan import Intensity, Plan, Section

SAMPLE = 200_000
"""Voxels of a channel that its percentiles are of."""

FAR, FAR_SCALE = 2.0, 10.0
"""How many times larger or smaller than in any training scan a voxel and an extent, and a range of
intensities, may be before it is told."""

INSIDE = 0.01
"""Share of a scan's voxels inside a plan's window below which it is told."""

Figures = tuple[float, float, float, float]
"""Of a channel: 0.5th, 50th and 99.5th percentile, and the last less the first."""


class Look(Section):
    """One scan.

    Attributes:
        spacing: mm of a voxel along X, Y, Z of RAS.
        extent: mm along the same axes.
        stored: of each channel as it is in the file.
        prepared: of each channel as the network gets it.
    """

    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    stored: tuple[Figures, ...]
    prepared: tuple[Figures, ...]

    @classmethod
    def of(cls, volume: Volume, image: np.ndarray) -> Self:
        """Of a scan as it was read, and prepared (C, X, Y, Z)."""
        spacing = volume.grid.in_ras(volume.grid.spacing)
        shape = volume.grid.in_ras(volume.grid.shape)
        extent = tuple(n * side for n, side in zip(shape, spacing, strict=True))
        return cls.model_validate({
            "spacing": _rounded(spacing),
            "extent": _rounded(extent),
            "stored": [_figures(channel) for channel in volume.array],
            "prepared": [_figures(channel) for channel in image],
        })  # fmt: skip


class Looks(Section):
    """What training scans are like: of every figure the lowest and the highest.

    Examples:
        >>> look = Look(spacing=(1, 1, 2), extent=(64, 64, 40), stored=(), prepared=())
        >>> thick = look.model_copy(update={"spacing": (1, 1, 5)})
        >>> Looks.of([look]).remarks(thick, Plan())
        ['voxels of 1 x 1 x 5 mm (training: 1 x 1 x 2)']
    """

    low: Look
    high: Look

    @classmethod
    def of(cls, looks: Iterable[Look]) -> "Looks | None":
        """Over scans of the same channels; None where there are none."""
        looks = list(looks)
        if not looks:
            return None
        tables = [look.model_dump() for look in looks]
        return cls.model_validate({
            name: {field: pick([np.array(table[field]) for table in tables], axis=0).tolist()
                   for field in tables[0]}
            for name, pick in (("low", np.min), ("high", np.max))
        })  # fmt: skip

    def remarks(self, look: Look, plan: Plan) -> list[str]:
        """What of a scan is far from what training saw, a few words each."""
        found = []
        for what, ours, low, high in (
            ("voxels", look.spacing, self.low.spacing, self.high.spacing),
            ("a size", look.extent, self.low.extent, self.high.extent),
        ):
            if any(
                side > FAR * most or side < least / FAR
                for side, least, most in zip(ours, low, high, strict=True)
            ):
                found.append(f"{what} of {_times(ours)} mm (training: {_span(low, high)})")
        for channel, scheme in enumerate(plan.intensity):
            if self._strange(look, channel, 4 if scheme.scheme == "window" else 2):
                found.append(self._intensities(look, channel, plan.channels[channel], scheme))
        return found

    def _strange(self, look: Look, channel: int, strict: float) -> bool:
        """Whether intensities are on another scale, or what the network gets is another picture.

        A scan's own mean and deviation vary with what is in it; Hounsfield units should not, and
        are held to `strict` 4.
        """
        ours, low, high = (each.stored[channel] for each in (look, self.low, self.high))
        if ours[3] > FAR_SCALE * high[3] or ours[3] < low[3] / FAR_SCALE:
            return True
        reach = high[2] - low[0]
        if not low[0] - reach <= ours[1] <= high[2] + reach:
            return True
        ours, low, high = (each.prepared[channel] for each in (look, self.low, self.high))
        reach = (high[2] - low[0]) / strict
        moved = any(
            not least - reach <= figure <= most + reach
            for figure, least, most in zip(ours[:3], low[:3], high[:3], strict=True)
        )
        return moved or not low[3] / 4 <= ours[3] <= 4 * high[3]

    def _intensities(self, look: Look, channel: int, name: str, scheme: Intensity) -> str:
        ours, low, high = (each.stored[channel] for each in (look, self.low, self.high))
        told = (
            f"{name} intensities of {ours[0]:.4g} to {ours[2]:.4g}, median {ours[1]:.4g} "
            f"(training: {low[0]:.4g} to {high[2]:.4g}, median {low[1]:.4g} to {high[1]:.4g})"
        )
        if scheme.scheme == "window":
            told += (
                f", for a window of {scheme.low:g} to {scheme.high:g}: are they Hounsfield units?"
            )
        return told


def remarks(volume: Volume, image: np.ndarray, plan: Plan, seen: Looks | None) -> list[str]:
    """What of a scan is far from what training saw; without a record of that, what the plan tells.

    Args:
        volume: as it was read.
        image: prepared, (C, X, Y, Z).
        plan: of the model.
        seen: by its training; None for a run folder of an older version.
    """
    if seen and len(seen.low.stored) == len(volume.array):
        return seen.remarks(Look.of(volume, image), plan)
    found = []
    for values, scheme in zip(volume.array, plan.intensity, strict=True):
        if scheme.scheme == "window":
            some = sample(values)
            share = float(np.mean((some > scheme.low) & (some < scheme.high)))
            if share < INSIDE:
                found.append(
                    f"{share:.1%} of its voxels inside the plan's window of {scheme.low:g} to "
                    f"{scheme.high:g}: are they Hounsfield units?"
                )
    return found


def sample(channel: np.ndarray) -> np.ndarray:
    """Up to some `SAMPLE` voxels of a channel (X, Y, Z), evenly spread."""
    step = max(1, channel.size // SAMPLE) | 1  # odd, so that it meets all columns
    if channel.flags.c_contiguous:
        return channel.reshape(-1)[::step]
    return channel.flat[::step]


def _figures(channel: np.ndarray) -> list[float]:
    low, median, high = np.percentile(sample(channel).astype(np.float64), [0.5, 50, 99.5])
    return _rounded((low, median, high, high - low))


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _span(low: Sequence[float], high: Sequence[float]) -> str:
    return _times(low) if low == high else f"{_times(low)} to {_times(high)}"
