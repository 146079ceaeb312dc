"""DiffRect's terms, each written out from the networks' own answers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import cross_entropy, soft_dice_loss
from crln.methods import Batch, Step, build_method
from crln.methods.diffrect.method import DiffRect, complementary_loss, label_distance
from crln.methods.ramps import gaussian_ramp
from crln.planning import Plan

LAST, FIRST = Step(3, 4, 0), Step(0, 4, 0)


def make_method(plan: Plan, **options: Any) -> DiffRect:
    torch.manual_seed(0)
    method = build_method("diffrect", plan.updated({"options": {"diffrect": options}}))
    assert isinstance(method, DiffRect)
    return method.eval()  # no dropout, fixed statistics: passes can be repeated


def make_batches(method: DiffRect) -> tuple[Batch, Batch]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, 1, *method.read_size, generator=generator)
    labels = (images[0, :, 0] > 0.3).long()
    inside = torch.ones_like(labels, dtype=torch.bool)
    labelled = Batch(images[0], labels, inside.clone())
    inside[:, :3] = False
    return labelled, Batch(images[1], torch.full_like(labels, IGNORE), inside)


def both(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(logits, target) + soft_dice_loss(logits, target, foreground=False)


def confident(logits: Tensor, valid: Tensor, threshold: float) -> Tensor:
    confidence, label = logits.softmax(1).max(1)
    return torch.where(valid & (confidence >= threshold), label, IGNORE)


def squared(one: Tensor, other: Tensor) -> Tensor:
    return ((one - other) ** 2).mean()


@pytest.mark.slow
@torch.no_grad()
def test_every_term(tiny_plan: Plan) -> None:
    threshold = 0.55
    method = make_method(tiny_plan, confidence=threshold)
    labelled, unlabelled = make_batches(method)
    found = method.losses(labelled, unlabelled, LAST)

    views, noise = LAST.generator("views", "cpu"), LAST.generator("noise", "cpu")
    x, y = method.labelled_view(labelled, views)
    u, inside = method.weak_view(unlabelled, views)
    view = method.views.draw("strong", 2, 1, views)
    strong = view.images(u)
    f, rectifier, classes = method.student, method.rectifier, tiny_plan.labels
    joint, valid = torch.cat([x, u]), torch.cat([y != IGNORE, inside])
    y_w = confident(f(joint), valid, threshold)
    y_s = confident(f(strong), view.maps(inside, outside=False), threshold)

    to_drawn = rectifier.condition(joint, y_w, label_distance(y_w[:2], y, classes))
    z = rectifier.latent(joint, torch.cat([y, y_w[2:]]), to_drawn)
    denoised = rectifier.denoise(to_drawn, z, noise)
    r = rectifier.decode(to_drawn, denoised)
    assert float(found["supervised"]) == pytest.approx(float(both(f(joint)[:2], y)), rel=1e-4)
    expected = both(r[:2], y) + squared(denoised[:2], z[:2])
    assert float(found["weak_to_drawn"]) == pytest.approx(float(expected), rel=1e-4)

    weight = 0.1 * gaussian_ramp(3, 4)
    absent = f(u).argmin(1).masked_fill(~inside, IGNORE)
    expected = both(f(strong), view.labels(y_w[2:])) + complementary_loss(
        f(strong), view.labels(absent), method.criteria
    )
    assert float(found["unsupervised"]) == pytest.approx(float(weight * expected), rel=1e-4)

    y_r = view.labels(confident(r[2:], inside, threshold))
    to_weak = rectifier.condition(strong, y_s, label_distance(y_s, y_r, classes))
    z = rectifier.latent(strong, view.labels(y_w[2:]), to_weak)
    denoised = rectifier.denoise(to_weak, z, noise)
    r_s = rectifier.decode(to_weak, denoised)
    absent = r[2:].argmin(1).masked_fill(~inside, IGNORE)
    expected = both(r_s, y_r) + complementary_loss(r_s, view.labels(absent), method.criteria)
    expected += squared(denoised, z)
    assert float(found["strong_to_weak"]) == pytest.approx(float(weight * expected), rel=1e-4)

    unlabelled_part = to_drawn.of(slice(2, None))
    y_d = rectifier.decode(unlabelled_part, rectifier.sample(unlabelled_part, noise, 2))
    expected = both(f(u), confident(y_d, valid[2:], threshold))
    assert float(found["rectified"]) == pytest.approx(float(expected), rel=1e-4)

    terms = [value for name, value in found.items() if name != "total"]
    assert float(found["total"]) == pytest.approx(float(sum(terms)), rel=1e-5)


def test_unsure_voxels_are_ignored_not_background(tiny_plan: Plan) -> None:
    method = make_method(tiny_plan)
    probability = torch.tensor([[0.1, 0.75, 0.85], [0.9, 0.25, 0.15]])
    logits = probability.log().view(1, 2, 3, 1, 1)
    found = method._confident(logits, torch.ones(1, 3, 1, 1, dtype=torch.bool))
    assert found.flatten().tolist() == [1, IGNORE, 0]
    assert (method._confident(logits, torch.zeros(1, 3, 1, 1, dtype=torch.bool)) == IGNORE).all()


@pytest.mark.slow
def test_the_student_learns_from_drawn_latents_after_the_start(tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"training": {"labelled_start": 0}})
    method = make_method(plan, start=0.5, confidence=0.0)
    assert float(method.losses(*make_batches(method), FIRST)["rectified"]) == 0
    assert method.losses(*make_batches(method), LAST)["rectified"] > 0


@pytest.mark.slow
def test_no_gradient_passes_between_student_and_rectifier(tiny_plan: Plan) -> None:
    """So that one step of one optimiser is what the three of the released loop are."""
    for names, learner in (
        (("supervised", "unsupervised", "rectified"), "student."),
        (("weak_to_drawn", "strong_to_weak"), "rectifier."),
    ):
        method = make_method(tiny_plan)
        losses = method.losses(*make_batches(method), LAST)
        torch.stack([losses[name] for name in names]).sum().backward()
        taught = [name for name, p in method.named_parameters() if p.grad is not None]
        assert taught
        assert all(name.startswith(learner) for name in taught)
