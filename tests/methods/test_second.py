"""Another network of a method, to compare with."""

import pytest

from crln.methods import build_method
from crln.methods.second import second_network
from crln.planning import Plan


@pytest.mark.parametrize(
    "name", ["crln", "mean_teacher", "bcp", "cross_pseudo", "ad_mt", "tracoco"]
)
def test_methods_of_two_networks_have_a_second_of_the_predictor_s_kind(
    name: str, tiny_plan: Plan
) -> None:
    method = build_method(name, tiny_plan)
    second = second_network(method)
    assert second is not None
    ours, theirs = method.predictor().state_dict(), second.state_dict()
    assert {k.split("network.")[-1] for k in ours} == set(theirs)
    assert all(ours[k].data_ptr() != theirs[k].data_ptr() for k in ours if k in theirs)


def test_a_method_of_one_network_has_none(tiny_plan: Plan) -> None:
    assert second_network(build_method("supervised", tiny_plan)) is None
