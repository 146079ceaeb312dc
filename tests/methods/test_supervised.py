"""Labels alone; or with drafts of all scans, which teach as labels do."""

import pytest
import torch

from crln.labels import IGNORE
from crln.methods import Step, build_method
from crln.methods.base import Method
from crln.planning import Plan
from crln.testing import make_batch

pytestmark = pytest.mark.slow

STEP = Step(index=3, total=4, seed=0)


def built(tiny_plan: Plan, weight: float) -> Method:
    torch.manual_seed(0)
    plan = tiny_plan.updated({"options": {"supervised": {"drafts": weight}}})
    return build_method("supervised", plan).eval()


def test_a_draft_teaches_as_a_label_does(tiny_plan: Plan) -> None:
    """The same loss on a draft as on the same patches as labels, in the same views."""
    method = built(tiny_plan, 0.25)
    patches, other = make_batch(method, 1), make_batch(method, 2)
    unlabelled = other._replace(labels=torch.full_like(other.labels, IGNORE), draft=other.labels)
    losses = method.losses(patches, unlabelled, STEP)
    found = {name: loss.item() for name, loss in losses.items()}
    assert found["total"] == pytest.approx(
        found["supervised"] + 0.25 * found["distilled"], rel=1e-6
    )
    generator = STEP.generator("views", "cpu")
    images, target = method.labelled_view(patches, generator)
    assert found["supervised"] == pytest.approx(
        method.supervise(method.student.every(images), target).item(), rel=1e-4
    )
    images, target = method.labelled_view(other, generator)
    assert found["distilled"] == pytest.approx(
        method.supervise(method.student.every(images), target).item(), rel=1e-4
    )


def test_without_drafts_there_is_one_term_and_no_unlabelled_patch(tiny_plan: Plan) -> None:
    method = built(tiny_plan, 0.0)
    assert not method.uses_unlabelled
    assert not method.needs_drafts
    assert list(method.losses(make_batch(method, 2), None, STEP)) == ["total"]


def test_patches_without_a_draft_teach_nothing(tiny_plan: Plan) -> None:
    method = built(tiny_plan, 1.0)
    assert method.uses_unlabelled
    assert method.needs_drafts
    bare = make_batch(method, 2, labelled=False)
    assert method.losses(make_batch(method, 2), bare, STEP)["distilled"].item() == 0
