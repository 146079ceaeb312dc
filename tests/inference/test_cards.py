import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from crln.evaluation.measures import Measures
from crln.imaging import Grid, Volume
from crln.inference import Prediction
from crln.inference.cards import EVERY, MaskPage, card_of
from crln.labels import LabelSpace
from crln.quality import Appraisal, Score
from crln.report.card import Card
from crln.report.gallery import PAGE

SHAPE = (8, 7, 6)
GRID = Grid(SHAPE, np.diag([-1.0, 1.0, 2.0, 1.0]))
SCAN = Volume(np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32), GRID)


def predicted(labels: LabelSpace, mask: np.ndarray, **told: object) -> Prediction:
    return Prediction(mask, None, None, GRID, labels, SCAN, **told)


def card(prediction: Prediction) -> Card:
    return card_of("a", "a.nii.gz", prediction, prediction.measures())


def drawn(found: Card) -> dict[str, int]:
    """How many pixels of the first picture each class of a card covers."""
    assert not isinstance(found.slices, str)
    (outlines,) = found.slices.outlines
    pixels = outlines.pixels[found.slices.cut.key]
    return {
        each.name: int(sum((pixels == v).sum() for v, of in enumerate(outlines.classes) if k in of))
        for k, each in enumerate(found.structures)
    }


BLOB = np.zeros(SHAPE, bool)
BLOB[2:6, 2:5, 3] = True
CORE = np.zeros(SHAPE, bool)
CORE[3:5, 3:4, 3] = True
SIZES = {"whole": 12, "core": 2}


def test_values_of_any_kind_are_drawn() -> None:
    labels = LabelSpace((0, 255, 7), ("background", "whole", "core"))
    mask = np.where(CORE, 7, np.where(BLOB, 255, 0)).astype(np.uint8)
    assert drawn(card(predicted(labels, mask))) == {"whole": 10, "core": 2}


def test_structures_that_overlap_are_drawn_whole() -> None:
    names = ("background", "whole", "core")
    apart = LabelSpace((0, 1, 2), names, exclusive=False)
    mask = np.stack([~BLOB, BLOB, CORE])
    assert drawn(card(predicted(apart, mask))) == SIZES
    regions = LabelSpace((0, 1, 2), names, exclusive=False, members=((0,), (1, 4), (4,)))
    values = np.where(CORE, 4, np.where(BLOB, 1, 0)).astype(np.uint8)
    assert drawn(card(predicted(regions, values))) == SIZES


def order(**told: object) -> float:
    labels = LabelSpace((0, 1, 2), ("background", "whole", "core"))
    return card(predicted(labels, np.where(CORE, 2, BLOB).astype(np.uint8), **told)).order


def test_the_worst_structures_dice_orders() -> None:
    good, bad = Score(0.9, 0.8, 0.95, 0.1), Score(0.6, 0.4, 0.8, 0.9)
    assert order(appraisal=Appraisal({"whole": good, "core": bad})) == pytest.approx(0.6, abs=1e-3)
    lone = order(appraisal=Appraisal({"whole": good, "core": Score()}))
    assert lone == pytest.approx(0.9, abs=1e-3)


def test_what_has_remarks_comes_before_what_has_none_whatever_its_dice() -> None:
    """A score is of scans like those of the training: an outline with a remark is of none."""
    good, bad = {"whole": Score(0.9, rank=0.9)}, {"whole": Score(0.2, rank=0.1)}
    small = {"whole": ("is 0.04 times as large as the smallest label",)}
    flagged = order(appraisal=Appraisal(good, of_structures=small))
    gone = Appraisal({**good, "core": Score(rank=0.0)}, of_structures={"core": ("is missing",)})
    assert order(appraisal=gone) < flagged < order(appraisal=Appraisal(bad))
    assert order(appraisal=Appraisal(bad)) < order(appraisal=Appraisal(good))


def test_of_scores_alike_the_lower_rank_comes_first() -> None:
    """A flat map from signals to Dice tells the same of every outline."""
    first, last = (Appraisal({"whole": Score(0.8, rank=rank)}) for rank in (0.2, 0.4))
    assert order(appraisal=first) < order(appraisal=last)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({}, "<strong>90 %</strong> likely Dice of whole"),
        ({"whole": ("is in 3 pieces",)}, "See the remarks"),
        ({"core": ("is missing",)}, "<strong>No core</strong> though every label has it"),
    ],
)
def test_no_dice_is_the_headline_of_what_has_remarks(told: dict, shown: str) -> None:
    labels = LabelSpace((0, 1, 2), ("background", "whole", "core"))
    core = Score(rank=0.0) if "core" in told else Score(0.95, rank=0.9)
    scores = {"whole": Score(0.9, rank=0.8), "core": core}
    appraisal = Appraisal(scores, of_structures=told)
    html = card(predicted(labels, BLOB.astype(np.uint8), appraisal=appraisal)).to_html()
    assert shown in html
    assert ("<strong>90 %</strong>" in html) is (not told)
    assert ("[0.0, 0.0]" in html) is ("core" in told)  # the worst, where a structure is chosen


def test_where_no_dice_is_known_remarks_order_then_the_rank() -> None:
    ranks = {"whole": Score(rank=0.2), "core": Score(rank=0.5)}
    better = {"whole": Score(rank=0.3), "core": Score(rank=0.4)}
    flagged = order(appraisal=Appraisal(better, of_scan=("strange",)))
    assert flagged < order(appraisal=Appraisal(ranks)) < order(appraisal=Appraisal(better)) < 0


def test_without_a_score_remarks_order_then_doubt() -> None:
    some, much = ((np.full(8, wrong, np.float32),) * 3 for wrong in (0.1, 0.5))
    flagged = order(appraisal=Appraisal(of_scan=("strange",)), doubt=some)
    assert flagged < order(doubt=much) < order(doubt=some) < order()


def test_a_picture_that_cannot_be_made_is_told_and_the_rest_of_the_card_is_there() -> None:
    labels = LabelSpace()
    measures = {"foreground": Measures(12, 0.024, 4.0, (0.0,), 1, False)}
    lost = Prediction(
        BLOB.astype(np.uint8), None, None, GRID, labels, (Path("gone.nii.gz"),)
    )  # fmt: skip
    html = card_of("a", "a.nii.gz", lost, measures).to_html()
    assert "No picture: gone.nii.gz: no such file" in html
    assert "0.0240 ml" in html


def test_a_page_is_written_between_scans_but_seldom(tmp_path: Path) -> None:
    now = [0.0]
    page = MaskPage(tmp_path, clock=lambda: now[0])
    prediction = predicted(LabelSpace(), BLOB.astype(np.uint8))
    (tmp_path / "a.nii.gz").touch()
    seen = []
    page.add("a", "a.nii.gz", prediction, prediction.measures())
    for seconds in (1, EVERY, EVERY + 1):
        now[0] = seconds
        page.add("a", "a.nii.gz", prediction, prediction.measures())
        seen.append((tmp_path / PAGE).exists())
        (tmp_path / PAGE).unlink(missing_ok=True)
    assert seen == [False, True, False]


def test_a_page_that_is_written_between_scans_loses_none(tmp_path: Path) -> None:
    """A mask is saved after its card is kept, so that a scan with a mask has a card."""
    now = [0.0]
    page = MaskPage(tmp_path, clock=lambda: now[0])
    prediction = predicted(LabelSpace(), BLOB.astype(np.uint8))
    for case in "abc":
        now[0] += EVERY
        page.add(case, f"{case}.nii.gz", prediction, prediction.measures())
        (tmp_path / f"{case}.nii.gz").touch()
    page.write(list("abc"))
    text = (tmp_path / PAGE).read_text()
    assert "3 outlined scans" in text
    assert "Not shown" not in text


def test_what_a_page_sorts_by_is_what_it_tells() -> None:
    scores = {"foreground": Score(0.876, 0.8, 0.93)}
    prediction = predicted(LabelSpace(), BLOB.astype(np.uint8), appraisal=Appraisal(scores))
    html = card(prediction).to_html()
    figures = json.loads(re.search(r'data-figures="([^"]*)"', html)[1].replace("&#34;", '"'))
    assert figures == {"foreground": [pytest.approx(0.024), 87.6]}
    assert "88 %" in html
    assert "80 to 93" in html
    assert not math.isnan(figures["foreground"][0])
