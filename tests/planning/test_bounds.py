"""Batches that nothing could be learnt from."""

from typing import Any

import pytest

from crln.errors import CrlnError
from crln.planning import Plan
from crln.planning.bounds import check_batch, misfit


def plan_of(patch: int, labelled: int, unlabelled: int, **network: Any) -> Plan:
    training = {"labelled": labelled, "unlabelled": unlabelled}
    return Plan().updated({"patch_size": 3 * [patch], "training": training, "network": network})


def test_a_method_that_needs_unlabelled_patches_gets_some() -> None:
    check_batch(plan_of(32, 2, 0), "supervised", uses_unlabelled=False)
    check_batch(plan_of(32, 2, 1), "crln", uses_unlabelled=True)
    with pytest.raises(CrlnError, match=r"training\.unlabelled: 0, but crln learns from"):
        check_batch(plan_of(32, 2, 0), "crln", uses_unlabelled=True)


@pytest.mark.parametrize(
    ("plan", "unlabelled", "possible"),
    [
        (plan_of(16, 1, 0), False, False),
        (plan_of(16, 1, 1), False, True),  # it takes labelled patches in place of the others
        (plan_of(16, 1, 1), True, False),
        (plan_of(16, 2, 1), True, False),
        (plan_of(16, 2, 2), True, True),
        (plan_of(32, 1, 1), True, True),
        (plan_of(16, 2, 2, kind="unet"), True, False),
        (plan_of(32, 1, 1, kind="unet"), True, True),
    ],
)
def test_no_norm_is_taken_over_one_voxel(plan: Plan, unlabelled: bool, possible: bool) -> None:
    if possible:
        check_batch(plan, "any", unlabelled)
        return
    with pytest.raises(CrlnError, match=r"one voxel at .*make it \[32, 16, 16\] or larger"):
        check_batch(plan, "any", unlabelled)


@pytest.mark.parametrize(
    ("patch", "step", "nearest"),
    [
        ((30, 32, 41), (16, 16, 16), "32 x 32 x 48"),
        ((1, 0, -5), (16, 16, 16), "16 x 16 x 16"),
        ((32, 30, 3), (16, 8, 2), "32 x 32 x 4"),
    ],
)
def test_the_nearest_possible_patch_is_told(
    patch: tuple[int, ...], step: tuple[int, ...], nearest: str
) -> None:
    assert str(misfit(patch, step)).endswith(f"got {list(patch)} (nearest: {nearest})")
    assert misfit((32, 32, 4), (16, 8, 2)) is None
