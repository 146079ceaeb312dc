import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crln.methods.ramps import gaussian_ramp
from crln.methods.teacher import ema_decay
from crln.training.optimiser import learning_rate_factor


@pytest.mark.parametrize(("step", "expected"), [(0, math.exp(-5)), (20, math.exp(-1.25)), (40, 1)])
def test_the_ramp_follows_its_equation(step: int, expected: float) -> None:
    assert gaussian_ramp(step, 40) == pytest.approx(expected)


@given(st.floats(-10, 200), st.floats(0, 10), st.floats(0, 100))
def test_the_ramp_rises_to_one_and_stays(step: float, later: float, length: float) -> None:
    assert 0 < gaussian_ramp(step, length) <= gaussian_ramp(step + later, length) <= 1
    assert gaussian_ramp(length, length) == 1
    assert gaussian_ramp(length + later, length) == 1


def test_the_teacher_starts_as_the_student_and_slows_down() -> None:
    assert ema_decay(0, 0.99) == 0
    assert ema_decay(1, 0.99) == 0.5
    assert ema_decay(3, 0.99) == 0.75
    assert ema_decay(98, 0.99) == pytest.approx(98 / 99)
    assert ema_decay(40_000, 0.99) == 0.99


def test_polynomial_decay() -> None:
    for step in (0, 1, 2500, 5999):
        assert learning_rate_factor(step, 6000) == pytest.approx((1 - step / 6000) ** 0.9)
    assert learning_rate_factor(30, 100, power=2) == pytest.approx(0.49)
    assert learning_rate_factor(100, 100) == learning_rate_factor(101, 100) == 0


@pytest.mark.parametrize("total", [6000, 1200, 12])
def test_the_steps_scale_with_the_budget(total: int) -> None:
    for step in range(0, total, max(1, total // 600)):
        published = step * 6000 // total  # the step of the published 6,000
        expected = 0.1 ** (published // 2500)
        assert learning_rate_factor(step, total, schedule="step") == pytest.approx(expected)


def test_constant() -> None:
    assert {learning_rate_factor(t, 50, schedule="constant") for t in range(50)} == {1.0}


def test_the_warm_up_is_linear_and_multiplies() -> None:
    rising = [learning_rate_factor(t, 100, schedule="constant", warmup=0.1) for t in range(100)]
    assert rising[:10] == pytest.approx([0.1 * (t + 1) for t in range(10)])
    assert set(rising[10:]) == {1.0}
    assert learning_rate_factor(4, 100, warmup=0.1) == pytest.approx(0.5 * 0.96**0.9)
