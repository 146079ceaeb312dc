"""What tells of the quality of an outline, at little cost."""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Signals:
    """Of one structure of one scan, each 0..1, the higher the better; NaN where there is none.

    Attributes:
        sure: the Dice that a network expects of its own outline, 2 sum(p a) / (sum p + sum a) with
            p its probability and a where it decides for the structure; of several their mean.
        agreement: mean Dice of the outlines of each two networks.
        second: Dice of the outline and that of other weights of the same training.
    """

    sure: float = math.nan
    agreement: float = math.nan
    second: float = math.nan

    @property
    def told(self) -> dict[str, float]:
        """Those that there are, by name."""
        return {name: value for name, value in asdict(self).items() if not math.isnan(value)}

    @property
    def rank(self) -> float:
        """Their mean: outlines are looked at in its order, the lowest first.

        Examples:
            >>> Signals(sure=0.75, agreement=0.25).rank
            0.5
        """
        told = self.told.values()
        return sum(told) / len(told) if told else math.nan
