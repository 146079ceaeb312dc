import pytest
from pydantic import ValidationError

from crln.planning import Plan
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


def test_a_first_stage_takes_a_share_of_the_steps_or_steps_of_its_own() -> None:
    plan = Plan().updated({"pretrain": "episodes"})
    assert plan.pretrain.task == "episodes"
    assert plan.pretrain.steps(1000) == 250
    assert plan.pretrain.leaves(1250) == 1000
    own = plan.updated({"pretrain": {"iterations": 30}})
    assert own.pretrain.steps(1000) == 30
    assert own.pretrain.leaves(100) == 70
    assert own.pretrain.leaves(10) == 1
    none = Plan()
    assert (none.pretrain.steps(1000), none.pretrain.leaves(1000)) == (0, 1000)
