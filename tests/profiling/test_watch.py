"""What is counted to which part, and that nothing stays of it."""

import pytest
import torch

from crln.methods import METHODS
from crln.planning import Plan
from crln.profiling import bench

pytestmark = pytest.mark.slow

NETWORKS = {
    "ad_mt": {"student, backbone", "teachers, backbone"},
    "cross_pseudo": {"students, backbone", "students, head"},
    "diffrect": {"student, backbone", "rectifier, denoiser"},
    "llm_segnet": {"students, backbone", "students, head"},
    "mcnet": {"student, encoder", "student, decoders"},
    "mean_teacher": {"student, head", "teacher, backbone"},
    "ssl_contrastive": {"students, backbone", "students, head"},
    "tracoco": {"students, backbone", "students, head"},
}
"""Some parts of each method's networks: of a list of them, of one in a wrapper."""


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_modules_of_every_methods_networks_are_parts(name: str, tiny_plan: Plan) -> None:
    with bench(tiny_plan, name, steps=1) as made:
        _, parts = made.by_part(1)
    assert parts.keys() >= NETWORKS.get(name, {"student, backbone", "student, head"})
    assert parts["backward"] > 0
    assert all(part.count(", ") <= 1 for part in parts)


def test_watching_changes_no_result_and_leaves_no_trace(tiny_plan: Plan) -> None:
    with bench(tiny_plan, "crln", steps=1) as plain:
        plain.take()
    with bench(tiny_plan, "crln", steps=1) as seen:
        seen.by_part(1)
    for ours, theirs in zip(plain.learner.parameters(), seen.learner.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    pairs = [
        (plain, seen), (plain.fabric, seen.fabric), (plain.optimiser, seen.optimiser),
        (plain.learner.views, seen.learner.views),
        *zip(plain.learner.modules(), seen.learner.modules(), strict=True),
    ]  # fmt: skip
    for untouched, watched in pairs:
        assert vars(watched).keys() == vars(untouched).keys()


def test_a_call_that_was_an_objects_own_comes_back(tiny_plan: Plan) -> None:
    with bench(tiny_plan, "supervised", steps=1) as made:
        network = made.learner.get_submodule("student")
        own = network.forward
        network.forward = own
        made.by_part(1)
        assert vars(network)["forward"] is own
