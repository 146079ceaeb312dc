"""When the page says that it is good enough, and when that it cannot tell."""

import pytest

import crln.evaluation.statistics as evaluation
from crln.reviewing.enough import FEWEST, RoundTold, verdict
from crln.reviewing.estimate import MeanDice, RoundEstimate
from crln.reviewing.overview import overview


def _round(number: int, *dice: float, estimate: float | None = None) -> RoundTold:
    return RoundTold(number, len(dice), dice, estimate)


def test_nothing_is_said_before_a_round():
    assert verdict([]) == {"enough": False, "sentence": ""}


def test_too_few_cases_are_called_so_however_good_they_are():
    told = verdict([_round(1, *[1.0] * 5)])
    assert not told["enough"]
    assert told["sentence"].startswith("Too few cases to tell: 5 of the 6")


def test_little_that_people_change_is_good_enough_where_chance_does_not_explain_it():
    assert verdict([_round(1, 0.97, 0.98, 0.96, 0.97, 0.98, 0.97)])["enough"]
    spread = verdict([_round(1, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8)])  # mean 0.967, of one bad case
    assert not spread["enough"]
    assert "takes another round" in spread["sentence"]


@pytest.mark.parametrize(("now", "enough", "word"), [
    (0.90, False, "Still rising"), (0.805, True, "No longer rising"),
    (0.70, True, "No longer rising"),
])  # fmt: skip
def test_two_rounds_tell_whether_it_rises(now, enough, word):
    dice = [-0.02, 0.02, 0.01, -0.01, 0.0, 0.0]
    rounds = [_round(1, *(0.8 + d for d in dice)), _round(2, *(now + d for d in dice))]
    told = verdict(rounds)
    assert (told["enough"], told["sentence"].split(":")[0]) == (enough, word)
    by_estimate = verdict([_round(1, estimate=0.8), _round(2, 0.3, estimate=now)])
    assert by_estimate["sentence"].startswith(word)
    assert "left-out" in by_estimate["sentence"]


def test_the_page_is_told_what_was_measured_of_each_round(project, small):
    for case in ("case_1", "case_2"):
        small.mask(project, 1, case, small.drawing(1))
    project.decide("case_1", "accepted")
    estimate = RoundEstimate(
        how="left out", dice=MeanDice(mean=0.8, cases=3),
        structures={"liver": MeanDice(mean=0.8, cases=3)},
    )  # fmt: skip
    estimate.write(project.places.round(1))
    (told,) = overview(project)["rounds"]
    assert (told["accepted"], told["dice"]) == (1, 1.0)
    assert told["estimate"]["dice"] == {"mean": 0.8, "low": None, "high": None, "cases": 3}
    assert "1 of the 6" in overview(project)["verdict"]["sentence"]  # three left out are too few


def test_too_few_is_what_it_is_everywhere():
    assert FEWEST == evaluation.FEWEST
