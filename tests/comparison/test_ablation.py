"""Every named ablation can be trained, and is what its name says."""

from pathlib import Path

import pytest
import torch

from crln.comparison import ABLATION, parse_variant
from crln.labels import IGNORE
from crln.methods import Batch, Step, build_method
from crln.methods.crln.method import CRLN
from crln.planning import Plan

pytestmark = pytest.mark.slow

STEP = Step(index=3, total=4, seed=0)
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "compare.md"


def make_variant(text: str, plan: Plan) -> CRLN:
    torch.manual_seed(0)
    variant = parse_variant(text)
    method = build_method(variant.method, variant.plan(plan))
    assert isinstance(method, CRLN)
    return method


def losses_of(method: CRLN) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 1, *method.read_size, generator=generator)
    labels = (images[0, :, 0] > 0.5).long()
    torch.manual_seed(0)
    inside = torch.ones_like(labels, dtype=torch.bool)
    unlabelled = Batch(images[1], torch.full_like(labels, IGNORE), inside)
    return method.losses(Batch(images[0], labels, inside), unlabelled, STEP)


@pytest.mark.parametrize("name", ABLATION)
def test_each_learns(name: str, tiny_plan: Plan) -> None:
    method = make_variant(name, tiny_plan)
    losses = losses_of(method)
    losses["total"].backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert method.student.head.weight.grad is not None
    assert method.eval().predictor()(torch.zeros(1, 1, 16, 16, 16)).isfinite().all()


def test_what_is_left_out_is_gone(tiny_plan: Plan) -> None:
    whole = losses_of(make_variant("crln", tiny_plan)).keys()
    assert {"relation", "rectifier", "alignment", "positive"} <= whole
    left_out = {
        "relation=false": {"relation", "rectifier", "alignment"},
        "positive_weight=0": {"positive", "alignment"},
        "project_prototypes=false": {"alignment"},
    }
    for options, terms in left_out.items():
        found = losses_of(make_variant(f"crln[{options}]", tiny_plan)).keys()
        assert whole - found == terms, options


def test_one_pass_or_two_differ_by_batch_statistics_alone(tiny_plan: Plan) -> None:
    def supervised_loss(text: str, training: bool) -> torch.Tensor:
        method = make_variant(text, tiny_plan.updated({"network": {"dropout": 0.0}}))
        method.student.train(training)
        return losses_of(method)["supervised"]

    one, two = "crln", "crln[joint_pass=false]"
    torch.testing.assert_close(supervised_loss(one, False), supervised_loss(two, False))
    assert not torch.isclose(supervised_loss(one, True), supervised_loss(two, True))


def test_released_choices(tiny_plan: Plan) -> None:
    images = torch.randn(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    for text, negative in (("crln", True), ("crln[signed=false]", False)):
        student = make_variant(text, tiny_plan).eval().student
        assert bool((student.relation(student.features(images)) < 0).any()) == negative
    prototypes = make_variant("crln[prototype_start=0]", tiny_plan).student.interaction.prototypes
    assert not prototypes.any()
    student = make_variant("crln[project_prototypes=false]", tiny_plan).student
    prototypes = student.interaction.prototypes
    expected = torch.tensor(
        [[sum(p) / len(p) for p in of_class] for of_class in prototypes.tolist()]
    )
    torch.testing.assert_close(student.prototype_embeddings(), expected)


def test_the_how_to_lists_them_all() -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    for name, meaning in ABLATION.items():
        assert f"| `{name}` | {meaning} |" in text
