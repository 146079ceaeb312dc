"""Whether it is good enough: how much people still change, and what left-out cases tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 6
"""Cases below which no interval is given, as `crln.evaluation.statistics` has it."""
GOOD = 0.95
"""Dice of masks and what people made of them from which on little is left to correct."""
GAIN = 0.01
"""What another round must bring at least, in Dice, to be worth its time."""


@dataclass(frozen=True)
class RoundTold:
    """What is known of a round.

    Attributes:
        round: its number.
        accepted: cases that were accepted after its mask was looked at.
        dice: of its masks and what they became, those that are known.
        estimate: the mean Dice on left-out cases, if there were six or more.
    """

    round: int
    accepted: int
    dice: tuple[float, ...] = ()
    estimate: float | None = None

    @property
    def mean(self) -> float | None:
        """Of the Dice of masks and what they became."""
        return float(np.mean(self.dice)) if self.dice else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of that mean; None of fewer than six cases."""
        if len(self.dice) < FEWEST:
            return None
        from crln.evaluation.statistics import mean_interval

        low, high = mean_interval(
            float(np.mean(self.dice)), float(np.std(self.dice, ddof=1)), len(self.dice)
        )
        return max(0.0, low), min(1.0, high)


def verdict(rounds: Sequence[RoundTold]) -> dict[str, Any]:
    """Whether to stop, and a sentence that says why, for the page.

    Args:
        rounds: ascending.
    """
    if not rounds:
        return {"enough": False, "sentence": ""}
    last = rounds[-1]
    if last.interval and last.interval[0] >= GOOD:
        return _told(True, (
            f"Good enough to stop: of round {last.round} you change little, Dice "
            f"{_percent(last.mean)} over {len(last.dice)} cases. Look through the rest."
        ))  # fmt: skip
    before = rounds[-2] if len(rounds) > 1 else None
    if compared := _compared(last, before):
        what, now, then = compared
        if now - then >= GAIN:
            return _told(False, (
                f"Still rising: Dice {_percent(then)} {what} in round {rounds[-2].round}, "
                f"{_percent(now)} in round {last.round}. Correct some more, then learn again."
            ))  # fmt: skip
        return _told(True, (
            f"No longer rising: Dice {_percent(then)} {what} in round {rounds[-2].round}, "
            f"{_percent(now)} in round {last.round}. Another round brings little; correct what is "
            "left."
        ))  # fmt: skip
    if last.interval is None and last.estimate is None:
        return _told(False, (
            f"Too few cases to tell: {len(last.dice)} of the {FEWEST} that it takes are accepted "
            f"after a look at round {last.round}."
        ))  # fmt: skip
    figure = last.mean if last.interval else last.estimate
    what = "as you correct them" if last.interval else "on left-out cases"
    return _told(False, (
        f"Round {last.round}: Dice {_percent(figure)} {what}. Whether it still rises takes another "
        "round to tell."
    ))  # fmt: skip


def _told(enough: bool, sentence: str) -> dict[str, Any]:
    return {"enough": enough, "sentence": sentence}


def _compared(last: RoundTold, before: RoundTold | None) -> tuple[str, float, float] | None:
    """What both rounds tell enough of, now and before: what people change, or left-out cases."""
    if before is None:
        return None
    if last.interval and before.interval and last.mean is not None and before.mean is not None:
        return "as you correct", last.mean, before.mean
    if last.estimate is not None and before.estimate is not None:
        return "on left-out cases", last.estimate, before.estimate
    return None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
