import pytest
from pydantic import ValidationError

from crln.planning.learning import LossPlan


def test_terms_are_those_that_are_averaged_and_those_that_are_added() -> None:
    loss = LossPlan.model_validate(["dice_ce", "skeleton_recall", "dice", "thin_ce"])
    assert loss.overlap == ("dice_ce", "dice")
    assert loss.detail == ("skeleton_recall", "thin_ce")
    assert LossPlan().detail == ()


@pytest.mark.parametrize("terms", [["cldice"], ["dice", "dice"], ["dice", "thin"], []])
def test_a_loss_has_a_term_of_overlap_and_no_term_twice(terms: list[str]) -> None:
    with pytest.raises(ValidationError):
        LossPlan.model_validate(terms)
