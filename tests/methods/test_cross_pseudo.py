"""Cross pseudo supervision, with and without CutMix, from the networks' own answers."""

import pytest
import torch

from crln.augmentation import draw_cutmix, host_random
from crln.labels import IGNORE
from crln.losses import cross_entropy, segmentation_loss
from crln.methods import Batch, Step, build_method
from crln.methods.cross_pseudo import CrossPseudo
from crln.methods.ramps import gaussian_ramp
from crln.planning import Plan

STEP = Step(index=3, total=4, seed=0)


def make_method(plan: Plan, **options: bool) -> CrossPseudo:
    torch.manual_seed(0)
    method = build_method("cross_pseudo", plan.updated({"options": {"cross_pseudo": options}}))
    assert isinstance(method, CrossPseudo)
    return method.eval()


def make_batches(method: CrossPseudo) -> tuple[Batch, Batch]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 1, *method.read_size, generator=generator)
    labels = (images[0, :, 0] > 0.3).long()
    inside = torch.ones_like(labels, dtype=torch.bool)
    unknown = torch.full_like(labels, IGNORE)
    labelled = Batch(images[0], labels, inside.clone())
    inside[:, :3] = False
    return labelled, Batch(images[1], unknown, inside)


@pytest.mark.slow
@pytest.mark.parametrize("cutmix", [False, True])
@torch.no_grad()
def test_each_learns_the_other_s_label(tiny_plan: Plan, cutmix: bool) -> None:
    method = make_method(tiny_plan, cutmix=cutmix)
    labelled, unlabelled = make_batches(method)
    found = method.losses(labelled, unlabelled, STEP)

    generator = STEP.generator("views", "cpu")
    x, y = method.labelled_view(labelled, generator)
    u, inside = method.weak_view(unlabelled, generator)
    labels = [f(u).argmax(1).masked_fill(~inside, IGNORE) for f in method.students]
    if cutmix:
        mix = draw_cutmix(host_random(generator), len(u), tiny_plan.patch_size)
        mixed = mix(u)
        assert not torch.equal(mixed, u)
        u, labels = mixed, [mix(label) for label in labels]
    supervised = sum(float(segmentation_loss(f(x), y)) for f in method.students)
    crossed = sum(
        float(cross_entropy(f(u), label))
        for f, label in zip(method.students, reversed(labels), strict=True)
    )
    assert float(found["supervised"]) == pytest.approx(supervised, rel=1e-4)
    assert float(found["crossed"]) == pytest.approx(crossed, rel=1e-4)
    total = supervised + 0.1 * gaussian_ramp(3, 4) * crossed
    assert float(found["total"]) == pytest.approx(total, rel=1e-4)


@pytest.mark.slow
def test_labels_carry_no_gradient_and_the_networks_start_apart(tiny_plan: Plan) -> None:
    for cutmix in (False, True):
        method = make_method(tiny_plan, cutmix=cutmix)
        losses = method.losses(*make_batches(method), STEP)
        losses["crossed"].backward()
        assert all(p.grad is not None for p in method.parameters())
    weights = [next(student.parameters()) for student in method.students]
    assert not torch.allclose(*weights)
    assert method.predictor() is method.students[0]
