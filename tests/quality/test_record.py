"""`quality.yaml`."""

import math
from pathlib import Path

import pytest

from crln.errors import CrlnError
from crln.evaluation import Evaluation
from crln.evaluation.metrics import ClassMetrics
from crln.evaluation.results import Measurement
from crln.quality import Points, Quality, Signals
from crln.quality.record import QUALITY

DICE = (0.82, 0.9, 0.86, 0.88, 0.79, 0.91, 0.87, 0.85, 0.84, math.nan)


def learnt(count: int = 10) -> Quality:
    rows = tuple(
        Measurement(f"case-{i}", 1, "liver", ClassMetrics({"dice": d, "asd": 1.0}))
        for i, d in enumerate(DICE[:count])
    )
    signals = {
        f"case-{i}": {"liver": Signals(sure=0.9 + 0.01 * i, second=0.8 if i else math.nan)}
        for i in range(count)
    }
    return Quality.learnt(Evaluation("mm", False, rows), signals)


def test_points_are_the_cases_with_a_dice_and_the_signals_that_all_have() -> None:
    points = learnt().structures["liver"]
    assert points.dice == DICE[:9]
    assert points.cases == tuple(f"case-{i}" for i in range(9))
    assert list(points.signals) == ["sure"]


def test_a_score_has_an_interval_from_nine_cases_on() -> None:
    score = learnt().score("liver", Signals(sure=0.94))
    assert score.known
    assert 0 <= score.low <= score.dice <= score.high <= 1
    few = learnt(8).score("liver", Signals(sure=0.94))
    assert (few.known, few.rank) == (False, 0.94)
    assert not learnt().score("vein", Signals(sure=0.94)).known
    assert not learnt().score("liver", Signals(second=0.94)).known


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert Quality.read(tmp_path) is None
    learnt().write(tmp_path)
    assert Quality.read(tmp_path) == learnt()


def test_a_shared_record_scores_alike_and_names_no_case(tmp_path: Path) -> None:
    shared = learnt().shared()
    assert shared.score("liver", Signals(sure=0.9)) == learnt().score("liver", Signals(sure=0.9))
    shared.write(tmp_path)
    assert "case-" not in (tmp_path / QUALITY).read_text(encoding="utf-8")
    assert Quality.read(tmp_path) == shared


def test_flags_of_a_label_are_those_of_its_structure_alone() -> None:
    told = ("lung: Dice 0.30", "lung left: Dice 0.20")
    quality = Quality(labels={"a": told})
    assert quality.flags_of_label("a", "lung") == [told[0]]
    assert quality.flags_of_label("a", "lung left") == [told[1]]
    assert quality.flags_of_label("b", "lung") == []


@pytest.mark.parametrize(("text", "message"), [
    ("format: 9", "format 9 of a newer crln"),
    ("structures: 3", "structures"),
    ("structures: {liver: {dice: [0.5], signals: {sure: [0.5, 0.6]}}}", "must be as many, 1"),
])  # fmt: skip
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / QUALITY).write_text(text, encoding="utf-8")
    with pytest.raises(CrlnError, match=message):
        Quality.read(tmp_path)


def test_an_interval_holds_its_score() -> None:
    """The jackknife+ may leave out the line through all points."""
    dice = (0.9,) * 8 + (0.2,)
    points = Points(dice=dice, signals={"sure": tuple(0.1 * i for i in range(9))})
    score = points.score(Signals(sure=0.0), 0.9)
    assert score.low <= score.dice <= score.high
