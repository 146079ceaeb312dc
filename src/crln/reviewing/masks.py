"""The masks that rounds of learning have made, and what is known of each."""

import math
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from crln.files import checked, read_yaml, to_yaml, write_text
from crln.reviewing.places import Places
from crln.reviewing.state import file_name

_REMEDY = "remove it; the next round writes it anew"
_SETTLED = 2_000_000_000
"""Nanoseconds after which a folder's time of change tells of every file in it."""
_AGAIN = 0.1
"""Seconds before that after which a folder that looks unchanged is listed once more."""


class Record(BaseModel):
    """What is known of a mask that a round has made, without a label.

    Attributes:
        round: its number.
        seconds: that it took.
        score: expected Dice of each structure, by name; None where not known.
        low: lower end of its interval.
        high: upper end.
        rank: what sorts masks where no Dice is expected, larger is better.
        flags: what is odd, in words.
        volume_ml: of each structure, by name; empty where the voxel size is not known.
        doubt: summed over each slice along x, y and z of the file's voxels.
        spots: the file's voxels that are doubted most, in places apart, the first first.
        check: slices of it that are worth a look, along the axis of the thickest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    round: int
    seconds: float = 0
    score: dict[str, float | None] = Field(default_factory=dict)
    low: dict[str, float | None] = Field(default_factory=dict)
    high: dict[str, float | None] = Field(default_factory=dict)
    rank: dict[str, float | None] = Field(default_factory=dict)
    flags: tuple[str, ...] = ()
    volume_ml: dict[str, float] = Field(default_factory=dict)
    doubt: tuple[tuple[float, ...], ...] = ()
    spots: tuple[tuple[int, int, int], ...] = ()
    check: tuple[int, ...] = ()

    def write(self, path: Path) -> None:
        """Saves it."""
        write_text(path, to_yaml(self.model_dump(mode="json")))

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Opens it; CrlnError where the file is damaged."""
        return checked(read_yaml(path, _REMEDY), cls, path, _REMEDY)


class Masks:
    """Which round's mask of each case is the last; masks appear while a round is at work.

    Args:
        places: of the project.
        cases: ids.
    """

    def __init__(self, places: Places, cases: Iterable[str]) -> None:
        self._places = places
        self._case_of = {f"{file_name(id)}.yaml": id for id in cases}
        self._last: dict[str, int] = {}
        self._rounds: set[int] = set()
        self._seen: dict[Path, tuple[int, float]] = {}
        self._records: dict[tuple[int, str], Record] = {}

    def round(self, case: str) -> int | None:
        """The last round that has a mask of a case."""
        self._look()
        return self._last.get(case)

    def record(self, case: str) -> Record | None:
        """What is known of the last mask of a case."""
        number = self.round(case)
        if number is None:
            return None
        if (number, case) not in self._records:
            found = Record.read(self._places.record(number, case))
            self._records[number, case] = found
        return self._records[number, case]

    def _look(self) -> None:
        """Notes what has appeared since the last time."""
        self._rounds |= {
            int(name) for name in self._new(self._places.all_masks) if name.isdecimal()
        }
        for number in self._rounds:
            for name in self._new(self._places.masks(number)):
                if (case := self._case_of.get(name)) is not None:
                    self._last[case] = max(number, self._last.get(case, 0))

    def _new(self, folder: Path) -> list[str]:
        """What a folder holds; nothing where it is as it was, which one look at it tells."""
        try:
            changed = folder.stat().st_mtime_ns
            seen, until = self._seen.get(folder, (0, 0.0))
            if seen == changed and time.monotonic() < until:
                return []
            names = os.listdir(folder)
        except FileNotFoundError:  # nothing yet
            return []
        settled = time.time_ns() - changed > _SETTLED
        self._seen[folder] = changed, math.inf if settled else time.monotonic() + _AGAIN
        return names
