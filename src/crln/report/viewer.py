"""The slices of one scan with its outlines, to be looked through on a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import numpy as np

from crln.combinations import join
from crln.imaging import Volume
from crln.labels import LabelSpace
from crln.report.cut import Cut
from crln.report.stack import Outlines, describe, stack_data
from crln.report.style import class_colour


@dataclass(frozen=True)
class SliceStack:
    """What a viewer shows.

    Attributes:
        cut: which slices.
        data: of `stack_data`.
        outlines: that are drawn.
    """

    cut: Cut
    data: Mapping[str, object]
    outlines: Sequence[Outlines]

    def shown(
        self, scan: str, names: Sequence[str], notes: Sequence[str], hues: Sequence[str]
    ) -> dict[str, object]:
        """What `viewer.html` needs.

        Args:
            scan: what it is called.
            names: of the classes.
            notes: behind the name of each, where it is seen; "" for none.
            hues: of each.
        """
        cut = self.cut
        alt = describe(cut, self.outlines, names, dict(enumerate(notes)))
        return {
            "alt": alt, "place": alt.split(":")[0], "scan": scan, "key": cut.key,
            "slices": len(cut.numbers), "ratio": round(cut.ratio, 4), "doubt": _area(cut.doubt),
            "data": {**self.data, "names": names, "notes": notes, "hues": hues},
        }  # fmt: skip


@dataclass(frozen=True)
class Viewer:
    """A scan on a page, with a slider through its slices.

    Attributes:
        title: what it is called.
        slices: what is seen.
        figures: of each class, in their order, its name to what it measures, such as "Dice 81 %".
        note: a sentence below; "" for none.
    """

    title: str
    slices: SliceStack
    figures: Mapping[str, str]
    note: str = ""

    @property
    def viewer(self) -> dict[str, object]:
        """For `viewer.html`."""
        hues = [class_colour(k) for k in range(len(self.figures))]
        return self.slices.shown(self.title, [*self.figures], [*self.figures.values()], hues)

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Hue, name and figure of each class."""
        return [(class_colour(k), *row) for k, row in enumerate(self.figures.items())]


@dataclass(frozen=True)
class Viewers:
    """Scans side by side, each with the label's outlines and the prediction's.

    Attributes:
        views: the scans.
        title: above them; "" for none.
    """

    kind: ClassVar[str] = "viewers"
    views: Sequence[Viewer]
    title: str = ""


def slices_of(
    scan: Volume,
    masks: Mapping[str, np.ndarray],
    labels: LabelSpace,
    doubt: Sequence[np.ndarray] = (),
) -> SliceStack:
    """What a viewer shows of a scan.

    Args:
        scan: (C, X, Y, Z); the first channel is shown.
        masks: "truth" or "prediction" to values of the label files, (X, Y, Z); of structures that
            have a file each (K, X, Y, Z) bool.
        labels: of the classes.
        doubt: summed over each slice along X, Y and Z, or ().
    """
    inside = reduce(np.logical_or, (_anything(mask, labels) for mask in masks.values()))
    cut = Cut.through(scan.grid, inside, doubt)
    outlines = [_outlines(kind, cut.sample(mask), labels) for kind, mask in masks.items()]
    return SliceStack(cut, stack_data(cut, scan.array[0], outlines), outlines)


def _anything(mask: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """Where any structure is, (X, Y, Z) bool."""
    if labels.separate:
        return np.logical_or.reduce(mask[1:])
    nothing = labels.members[0] if labels.members else labels.known[:1]
    inside = np.ones(mask.shape, bool)
    for value in nothing:
        np.logical_and(inside, mask != value, out=inside)
    if labels.ignore is not None:
        inside &= mask != labels.ignore
    return inside


def _outlines(kind: str, mask: np.ndarray, labels: LabelSpace) -> Outlines:
    count = labels.classes - 1
    if labels.exclusive:
        return Outlines.exclusive(kind, labels.encode(mask), count)
    if labels.separate:
        return Outlines.overlapping(kind, join(dict(enumerate(mask[1:], 1)), {}, count), count)
    return Outlines.overlapping(kind, labels.encode(mask), count)


def _area(doubt: Sequence[float]) -> str:
    """The doubt of each slice as an SVG path, 100 wide and 20 high."""
    if len(doubt) < 2 or not any(doubt):
        return ""
    step = 100 / (len(doubt) - 1)
    points = (f"{i * step:.1f},{20 - 18 * value:.1f}" for i, value in enumerate(doubt))
    return f"M0,20L{' '.join(points)} 100,20Z"
