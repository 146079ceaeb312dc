"""What is thought of an outline: a score a structure, and what is strange, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Score:
    """How good the outline of one structure is likely to be; NaN where it cannot be said.

    Attributes:
        dice: that is expected, 0..1.
        low: lower end of the interval that holds the true Dice.
        high: upper end of it.
        rank: 0..1; only its order means something: the lowest is to be looked at first.

    Examples:
        >>> crln.Score(rank=0.7).known
        False
    """

    dice: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rank: float = math.nan

    @property
    def known(self) -> bool:
        """Whether a Dice can be told; else the rank alone."""
        return not math.isnan(self.dice)


@dataclass(frozen=True)
class Appraisal:
    """What is thought of the outline of one scan.

    Attributes:
        scores: of each structure, by its name; empty where the model has no record to tell by.
        of_scan: what of the scan is strange, each a short part of a sentence.
        of_structures: the same of the outline of each structure that has something strange.

    Examples:
        >>> Appraisal(of_structures={"liver": ("is missing",)}).flags
        ('liver is missing',)
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    of_scan: tuple[str, ...] = ()
    of_structures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def flags(self) -> tuple[str, ...]:
        """All that is strange, of the scan first."""
        named = (f"{name} {flag}" for name, flags in self.of_structures.items() for flag in flags)
        return (*self.of_scan, *named)

    def flags_of(self, name: str) -> tuple[str, ...]:
        """What concerns one structure: of the scan, then of its outline."""
        return (*self.of_scan, *self.of_structures.get(name, ()))
