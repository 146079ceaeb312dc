from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crln.planning import Plan, fit_memory, step_gib

LARGE = Plan().updated({"patch_size": [112, 112, 80]})


def test_the_papers_patch_takes_what_was_measured() -> None:
    """5.69 GiB at the peak, docs/reference/benchmarks.md."""
    assert step_gib(LARGE) == pytest.approx(5.69, rel=0.15)


def test_more_classes_and_wider_networks_take_more() -> None:
    names = [f"class {k}" for k in range(37)]
    many = LARGE.updated({"labels": {"values": list(range(37)), "names": names}})
    wide = LARGE.updated({"network": {"widths": [32, 64, 128, 256, 512]}})
    assert step_gib(many) > step_gib(LARGE)
    assert step_gib(wide) > 1.5 * step_gib(LARGE)


def test_what_fits_stays() -> None:
    assert fit_memory(LARGE, 8.0) is LARGE


def test_the_longest_side_shrinks_first() -> None:
    plan = fit_memory(LARGE.updated({"spacing": [1.0, 1.0, 3.0]}), 5.0)
    assert plan.patch_size == (112, 112, 64)
    assert plan.training == LARGE.training


def test_then_the_batch_and_at_last_the_patch_again() -> None:
    plan = fit_memory(LARGE, 1.2)
    assert plan.patch_size == (64, 64, 64)
    assert (plan.training.labelled, plan.training.unlabelled) == (1, 1)
    assert max(fit_memory(LARGE, 0.8).patch_size) < 64


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 20), st.tuples(*[st.integers(1, 12)] * 3))
def test_whatever_there_is_a_plan_follows(gib: float, steps: tuple[int, ...]) -> None:
    """Within the memory, or the smallest patch of one labelled and one unlabelled."""
    wanted = Plan().updated({"patch_size": [16 * n for n in steps]})
    plan = fit_memory(wanted, gib)
    assert prod(plan.patch_size) <= prod(wanted.patch_size)
    assert step_gib(plan) <= gib or (plan.patch_size, plan.training.labelled) == ((16,) * 3, 1)
