"""The score on the validation split: of whom, in which mode, and that it is Dice."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crln.labels import IGNORE, LabelSpace
from crln.planning import Plan
from crln.training.validation import Validation

pytestmark = pytest.mark.slow

PLAN = Plan(patch_size=(16, 16, 16), labels=LabelSpace((0, 1, 2), ("background", "a", "b")))


class Outliner(nn.Module):
    """Class 1 where the image is above 0.5, class 2 above 1.5; knows the mode it was asked in."""

    def __init__(self, sees: float) -> None:
        super().__init__()
        self.sees, self.modes = sees, set[bool]()

    def forward(self, images: Tensor) -> Tensor:
        self.modes.add(self.training)
        classes = (images[:, 0] * self.sees).round().long().clamp(0, 2)
        return nn.functional.one_hot(classes, 3).movedim(-1, 1).float() * 9


class Taught(nn.Module):
    """A method whose student outlines nothing, and whose teacher is right."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = Outliner(0.0), Outliner(1.0)

    def predictor(self) -> nn.Module:
        return self.teacher


class Scan:
    """A prepared scan whose image is its label, or another label's."""

    known = None

    def __init__(self, label: np.ndarray, image: np.ndarray | None = None) -> None:
        self.label, self.shape = label, label.shape
        self.image = label if image is None else image

    def read(self, *_: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.image[None].astype(np.float32), self.label, np.ones(self.shape, bool)


def scan(*classes: int) -> np.ndarray:
    """Slabs of 4 planes each, one of each class."""
    return np.repeat(np.array(classes), 4)[:, None, None] * np.ones((1, 16, 16), np.int64)


def scored(method: Any, *cases: Scan) -> float:
    return Validation(cases, PLAN, torch.device("cpu")).score(method)  # type: ignore[arg-type]


def test_the_predictor_is_scored_in_evaluation_mode_and_not_the_student() -> None:
    method = Taught()
    assert scored(method, Scan(scan(0, 1, 2, 0))) == 1.0
    assert method.teacher.modes == {False}
    assert method.student.modes == set()


@pytest.mark.parametrize("training", [True, False])
def test_the_method_is_left_in_the_mode_that_it_was_in(training: bool) -> None:
    method = Taught().train(training)
    scored(method, Scan(scan(0, 1, 2, 0)))
    assert {module.training for module in method.modules()} == {training}


def test_dice_is_the_mean_over_classes_that_either_has_then_over_cases() -> None:
    right = Scan(scan(0, 1, 1, 0))  # class 2 is nowhere: it does not count
    half = Scan(scan(1, 1, 0, 2), image=scan(0, 1, 1, 1))  # 2 * 1 / (3 + 2); class 2 is missed
    empty = Scan(scan(0, 0, 0, 0))  # nothing to score
    assert scored(Taught(), right) == 1.0
    assert scored(Taught(), half) == pytest.approx((0.4 + 0.0) / 2)
    assert np.isnan(scored(Taught(), empty))
    assert scored(Taught(), right, half, empty) == pytest.approx((1.0 + 0.2) / 2)


def test_no_cases_are_no_validation() -> None:
    assert not Validation([], PLAN, torch.device("cpu"))
    assert Validation([Scan(scan(0))], PLAN, torch.device("cpu"))  # type: ignore[list-item]


def test_what_nobody_outlined_does_not_count() -> None:
    label = scan(0, 1, 1, 2)
    known = np.where(np.arange(16)[:, None, None] < 8, label, IGNORE)
    assert scored(Taught(), Scan(known, image=scan(0, 1, 2, 2))) == 1
    assert scored(Taught(), Scan(label, image=scan(0, 1, 2, 2))) < 1
