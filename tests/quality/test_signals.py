"""What tells of the quality of an outline."""

import math

from crln.quality import Signals


def test_the_rank_is_the_mean_of_the_signals_that_there_are() -> None:
    assert Signals(sure=0.9).rank == 0.9
    assert Signals(sure=0.9, agreement=0.5).told == {"sure": 0.9, "agreement": 0.5}
    assert Signals(sure=0.9, agreement=0.5).rank == 0.7
    assert math.isnan(Signals().rank)
