"""The correction where two students disagree, against plain loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from crln.augmentation import Box
from crln.labels import IGNORE
from crln.methods import Step
from crln.methods.bcp import Mixture
from crln.planning import Plan

LATE = Step(9, 10, 0)
Make = Callable[..., Any]


def mixture(shape: tuple[int, int, int]) -> Mixture:
    generator = torch.Generator().manual_seed(1)
    outside, inside = torch.randint(0, 3, (2, 2, *shape), generator=generator)
    outside[:, 0] = IGNORE
    return Mixture(torch.zeros(2, 1, *shape), outside, inside, Box((1, 1, 1), (3, 3, 2)), 1.0, 0.5)


def test_what_is_known_of_a_mix_is_each_regions_own() -> None:
    mix = mixture((4, 4, 4))
    for x, y, z in np.ndindex(4, 4, 4):
        within = 1 <= x < 3 and 1 <= y < 3 and z == 1
        assert float(mix.weights[x, y, z]) == (0.5 if within else 1.0)
        theirs = (mix.inside if within else mix.outside)[:, x, y, z]
        assert torch.equal(mix.labels[:, x, y, z], theirs)


def test_what_is_right_is_confirmed_and_what_is_wrong_undone(make_method: Make) -> None:
    method, mix = make_method("sdcl"), mixture((4, 4, 4))
    generator = torch.Generator().manual_seed(2)
    logits = list(torch.randn(2, 2, 3, 4, 4, 4, generator=generator))
    squared: list[list[float]] = [[], []]
    undone: list[list[float]] = [[], []]
    for index in np.ndindex(2, 4, 4, 4):
        b, *voxel = index
        place = (b, slice(None), *voxel)
        each = [z[place].softmax(0).tolist() for z in logits]
        guesses = [int(np.argmax(p)) for p in each]
        truth = int(mix.labels[index])
        if truth == IGNORE or guesses[0] == guesses[1]:
            continue
        weight = float(mix.weights[tuple(voxel)])
        for student, (p, guess) in enumerate(zip(each, guesses, strict=True)):
            errors = [(q - (k == truth)) ** 2 for k, q in enumerate(p)]
            squared[student].append(weight * float(np.mean(errors)))
            if guess != truth:
                undone[student].append(weight * float(-np.mean(np.log(p))))
    error, undoing = method._corrections(logits, mix)
    assert error.item() == pytest.approx(sum(map(np.mean, squared)), rel=1e-4)
    assert undoing.item() == pytest.approx(sum(map(np.mean, undone)), rel=1e-4)


@pytest.mark.slow
def test_each_term_teaches_both_students_and_never_the_teacher(
    make_method: Make, make_patches: Make
) -> None:
    method = make_method("sdcl", largest_component=False)
    labelled = make_patches(method, 1)
    unlabelled = make_patches(method, 2)._replace(labels=torch.full_like(labelled.labels, IGNORE))
    losses = method.losses(labelled, unlabelled, LATE)
    for name in ("outward", "inward", "corrected", "undone"):
        method.zero_grad()
        losses[name].backward(retain_graph=True)
        for student in (method.student, method.other):
            assert student.head.weight.grad.abs().sum() > 0, name
        assert all(p.grad is None for p in method.teacher.parameters()), name


@pytest.mark.slow
def test_the_first_stage_corrects_nothing(make_method: Make, make_patches: Make) -> None:
    method = make_method("sdcl")
    losses = method.losses(make_patches(method, 1), make_patches(method, 2), Step(0, 10, 0))
    assert losses["corrected"] == losses["undone"] == 0


def test_the_teacher_follows_the_first_student(make_method: Make, tiny_plan: Plan) -> None:
    method = make_method("sdcl")
    method.update(Step(0, 10, 0))
    patch = torch.randn(1, 1, *tiny_plan.patch_size)
    method.eval()
    torch.testing.assert_close(method.teacher.network(patch), method.student(patch))


def test_published_rates_are_adams(make_method: Make) -> None:
    training = make_method("sdcl").published.training(1000)
    assert (training["optimiser"], training["weight_decay"]) == ("adam", 0.0)
