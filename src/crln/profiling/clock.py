"""Seconds: of a call, repeated; of the named parts of a larger one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of a call that was repeated.

    Attributes:
        median: of the repeats.
        spread: slowest less fastest.
        repeats: how many were timed.
    """

    median: float
    spread: float
    repeats: int

    @classmethod
    def of(cls, seconds: list[float]) -> "Timing":
        """Of measured seconds."""
        return cls(median(seconds), max(seconds) - min(seconds), len(seconds))

    def __str__(self) -> str:
        return f"{self.median:.4g} s (spread {self.spread:.2g})"


def repeat(call: Callable[[], object], repeats: int = 5, warm_up: int = 1) -> Timing:
    """Times a call, after `warm_up` calls that are not timed."""
    seconds = []
    for _ in range(warm_up + repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return Timing.of(seconds[warm_up:])


class Clock:
    """Adds up the seconds of named parts; a part's own are without those of the parts within it.

    On a GPU each part is waited for at both ends, so that what it started is counted to it. The sum
    is then more than a step that nobody watches takes. torch.profiler would do as much by recording
    every operation: some per cent of a small step, and a second to read ten thousand of them.

    Args:
        device: where the parts compute.

    Attributes:
        seconds: by part, so far.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within, the part `name` runs, and whatever ran is held; decorates a call, too."""
        if self._running[-1:] == [name]:
            yield
            return
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def _charge(self) -> None:
        """Counts the time since the last change to the part that has been running."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now
