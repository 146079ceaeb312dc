"""How far a scan lies from those of the training, as the network's coarsest features see it."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from crln.planning.plan import Section

FEWEST = 5
"""Training scans below which nothing is far."""

FAR = 2.0
"""A scan is far where it lies so many times farther than any training scan from the others."""

LEAST = 0.1
"""The least spread of a channel, as a share of the median one."""


class Features(Section):
    """The coarsest features of training scans: of each channel, its mean over a scan.

    Attributes:
        mean: of each channel, over the scans.
        spread: of each channel, its standard deviation over the scans.
        reach: the largest distance of one of them from the others.
        scans: that were looked at.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    reach: float
    scans: int

    @classmethod
    def of(cls, scans: Sequence[np.ndarray]) -> "Self | None":
        """Over scans, each (C,); None of fewer than `FEWEST`."""
        if len(scans) < FEWEST:
            return None
        every = np.stack(scans)
        others = [np.delete(every, i, 0) for i in range(len(every))]
        apart = [_distance(scan, *_spread(rest)) for scan, rest in zip(every, others, strict=True)]
        mean, spread = _spread(every)
        return cls(mean=_rounded(mean), spread=_rounded(spread), reach=float(f"{max(apart):.4g}"),
                   scans=len(every))  # fmt: skip

    def distance(self, scan: np.ndarray) -> float:
        """Root mean square of the channels' distances to the mean, in standard deviations."""
        return _distance(scan, np.array(self.mean), np.array(self.spread))

    def far(self, scan: np.ndarray) -> bool:
        """Whether a scan, (C,), lies far from them."""
        return self.distance(scan) > FAR * self.reach


def _spread(scans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = scans.std(0)
    return scans.mean(0), np.maximum(spread, LEAST * float(np.median(spread)) or 1e-12)


def _distance(scan: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> float:
    return float(np.sqrt(np.mean(((scan - mean) / spread) ** 2)))


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in values)
