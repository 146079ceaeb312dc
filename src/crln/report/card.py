"""One scan on a page: its slices, what its structures measure, what is strange about it."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from crln.report.template import render
from crln.report.viewer import SliceStack


@dataclass(frozen=True)
class CardRow:
    """What a card says of one structure; NaN where it is not known.

    Attributes:
        name: of its class.
        hue: "#rrggbb" of its outline.
        volume_ml: its volume.
        voxels: that it has.
        dice: 0..1, that is likely; `low` and `high`: the ends of its interval.
        missing: it is not there, and every label has it.
    """

    name: str
    hue: str
    volume_ml: float = math.nan
    voxels: int = 0
    dice: float = math.nan
    low: float = math.nan
    high: float = math.nan
    missing: bool = False

    @property
    def volume(self) -> str:
        """For a person."""
        if not self.voxels:
            return "none"
        if math.isnan(self.volume_ml):
            return f"{self.voxels} voxels"
        return f"{shown_volume(self.volume_ml)} ml"

    @property
    def likely(self) -> str:
        """The Dice that is likely, in per cent."""
        return "" if math.isnan(self.dice) else f"{100 * self.dice:.0f}"

    @property
    def interval(self) -> str:
        """That of the Dice, in per cent."""
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        return f"{100 * self.low:.0f} to {100 * self.high:.0f}"

    @property
    def between(self) -> str:
        """The same in a sentence."""
        return self.interval.replace("to", "and")


@dataclass(frozen=True)
class Card:
    """One scan.

    Attributes:
        case: its id.
        order: cards with the lowest come first.
        structures: in the order of their classes.
        slices: what is seen of it, or why nothing is.
        flags: what is strange, each a part of a sentence.
        mask: the file of its mask in the folder of the page; "" of a card that has none.
        note: a sentence under its name, such as which part of the cohort it is of.
    """

    case: str
    order: float
    structures: Sequence[CardRow]
    slices: SliceStack | str
    flags: Sequence[str] = ()
    mask: str = ""
    note: str = ""

    @property
    def scored(self) -> bool:
        """Whether a Dice is told."""
        return any(each.likely for each in self.structures)

    def to_html(self) -> str:
        """In one line."""
        scored = [each for each in self.structures if each.likely]
        text = render(
            "card.html", case=self.case, anchor=f"scan-{quote(self.case, safe='')}",
            flags=self.flags, structures=self.structures, note=self.note,
            worst=min(scored, key=lambda each: each.dice, default=None),
            missing=[each.name for each in self.structures if each.missing],
            viewer=None if isinstance(self.slices, str) else self._viewer(self.slices),
            without=self.slices,
            figures={
                each.name: [
                    _figure(each.volume_ml, 1), _figure(0.0 if each.missing else each.dice, 100)
                ]
                for each in self.structures
            },
        )  # fmt: skip
        return re.sub(r"\s*\n\s*", " ", text)

    def _viewer(self, slices: SliceStack) -> dict[str, object]:
        """What `viewer.html` shows."""
        names = [each.name for each in self.structures]
        notes = [each.volume if each.voxels else "" for each in self.structures]
        hues = [each.hue for each in self.structures]
        return slices.shown(self.case, names, notes, hues)


def shown_volume(millilitres: float) -> str:
    """Three digits at most behind the first that counts, and no exponent."""
    if millilitres >= 100:
        return f"{millilitres:,.0f}"
    places = 1 if millilitres >= 10 else 2 if millilitres >= 0.1 else 4
    return f"{millilitres:.{places}f}"


def _figure(value: float, times: float) -> float | None:
    return None if math.isnan(value) else float(f"{value * times:.4g}")


def header_of(card: Card) -> str:
    """What a page must know of a card without reading it, in one line."""
    return json.dumps({
        "case": card.case, "order": card.order, "flags": len(card.flags), "scored": card.scored,
        "mask": card.mask, "structures": [each.name for each in card.structures],
    })  # fmt: skip
