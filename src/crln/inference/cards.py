"""What a page says of one outlined scan."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from crln.errors import reason
from crln.evaluation.measures import Measures
from crln.inference.prediction import Prediction
from crln.quality import Score
from crln.report.card import Card, CardRow
from crln.report.gallery import Gallery
from crln.report.seldom import Seldom
from crln.report.style import class_colour
from crln.report.viewer import SliceStack, slices_of

EVERY, SELDOM = 60.0, 50.0
"""Seconds from one writing of the page to the next, at least; and so many times what it took."""

ALIKE = 1e-4
"""Of a likely Dice: below it two are alike, and their ranks tell."""


def card_of(case: str, mask: str, prediction: Prediction, measures: Mapping[str, Measures]) -> Card:
    """The card of an outlined scan on the page of its folder.

    Args:
        case: its id.
        mask: the file of its mask, in the folder of the page.
        prediction: its outline; its scan is read where it is not there yet.
        measures: of each structure, by its name.
    """
    structures = []
    for i, (name, found) in enumerate(measures.items()):
        score = prediction.scores.get(name, Score())
        structures.append(
            CardRow(
                name, class_colour(i), found.volume_ml, found.voxels,
                score.dice, score.low, score.high, missing=_missing(score),
            )
        )  # fmt: skip
    slices: SliceStack | str
    try:
        masks = {"prediction": prediction.mask}
        scan = prediction.read_scan()
        slices = slices_of(scan, masks, prediction.labels, prediction.doubt)
    except Exception as fault:  # the outline is there, whatever may be wrong with its picture
        slices = reason(fault)
    return Card(case, _order(prediction, measures), structures, slices, prediction.flags, mask)


def _missing(score: Score) -> bool:
    """Whether a structure is not there, and every label has it: its rank is then the lowest."""
    return not score.known and score.rank == 0


def _order(prediction: Prediction, measures: Mapping[str, Measures]) -> float:
    """Lowest for what is most likely wrong: what is strange, then a low likely Dice.

    The Dice is that of the worst structure, 0 of a missing one; of two alike, the lower rank comes
    first. Where none is known, the rank orders, or else the share of what is outlined that is in
    doubt; and what is stranger comes before what is less so.
    """
    scores = prediction.scores.values()
    ranks = [score.rank for score in scores if not math.isnan(score.rank)]
    if any(score.known for score in scores):
        dice = min(0.0 if _missing(s) else s.dice for s in scores if s.known or _missing(s))
        return dice + ALIKE * min(ranks, default=0.0) - bool(prediction.flags)
    voxels = sum(m.voxels for m in measures.values())
    doubt = float(prediction.doubt[0].sum())
    sure = min(ranks) if ranks else 1 - doubt / (doubt + voxels + 1)
    return sure - len(prediction.flags) - 1


class MaskPage:
    """The page beside the masks, while scans are outlined.

    Args:
        out: the folder of the masks.
        lock: where other processes write to the same page: a file to take turns by.
        clock: seconds.
    """

    def __init__(
        self, out: Path, lock: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gallery = Gallery(out, lock)
        self._seldom = Seldom(EVERY, SELDOM, clock)

    def add(
        self, case: str, mask: str, prediction: Prediction, measures: Mapping[str, Measures]
    ) -> None:
        """Keeps the card of a scan whose mask is about to be saved; arguments as for `card_of`.

        The page is written before it, if it is time: it shows no scan without a mask.
        """
        self._seldom.do(self._gallery.write)
        self._gallery.add(card_of(case, mask, prediction, measures))

    def fail(self, case: str, reason: str) -> None:
        """Keeps why a scan was not outlined."""
        self._gallery.fail(case, reason)

    def write(self, known: Sequence[str]) -> None:
        """Writes the page; see `Gallery.write`."""
        self._gallery.write(known)


@contextmanager
def page_of(
    out: Path, known: Callable[[], Sequence[str]], lock: Path | None = None
) -> Iterator[MaskPage]:
    """A page that is written in the end, also where the work on it is cut off.

    Args:
        out: the folder of the masks.
        known: the ids of the scans that have a mask.
        lock: as `MaskPage` takes it.
    """
    page = MaskPage(out, lock)
    try:
        yield page
    finally:
        page.write(known())
