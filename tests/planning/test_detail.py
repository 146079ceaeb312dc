"""Thin structures, and what a plan asks for them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crln.cohort import load_cohort, make_phantom
from crln.planning import Plan, detail, make_fingerprint, make_plan
from crln.planning.detail import DETAILS, LABELS, ThinShares, reasons, thin_structures, with_details

CUBES = (1.0, 1.0, 1.0)


def rods(*widths: int, length: int = 40) -> np.ndarray:
    """Rods along Z, side by side, each of a square section."""
    mask = np.zeros((12 * len(widths), 12, length), bool)
    for n, width in enumerate(widths):
        mask[12 * n + 1 : 12 * n + 1 + width, 1 : 1 + width] = True
    return mask


def measured(mask: np.ndarray, spacing: tuple[float, ...] = CUBES) -> tuple[float, float] | None:
    shares = ThinShares()
    shares.look("it", mask, spacing)
    return shares.shares().get("it")


def test_the_share_is_that_of_the_thin_rods_voxels() -> None:
    """Of rods of 2, 8 and 11 voxels; a ball of 10 fits into none but the last."""
    found = measured(rods(2, 8, 11))
    assert found is not None
    whole = 4 + 64 + 121
    assert found[0] == pytest.approx(4 / whole, abs=0.03)  # a thick rod's edges are no part of it
    assert found[1] == pytest.approx((4 + 64) / whole, abs=0.06)


def test_thickness_is_told_in_edges_of_the_finest_voxel() -> None:
    assert measured(rods(8)) == pytest.approx((0, 1), abs=0.05)
    assert measured(rods(8), (0.5, 0.5, 0.5)) == measured(rods(8))
    # a plate of two slices, each ten edges thick
    plate = np.zeros((40, 40, 6), bool)
    plate[:, :, 2:4] = True
    assert measured(plate, (1.0, 1.0, 10.0)) == pytest.approx((0, 0), abs=0.05)
    assert measured(plate)[0] == 1  # type: ignore[index]


def test_what_is_short_is_small_and_not_thin() -> None:
    assert measured(rods(2, length=19)) == (0, 0)
    assert measured(rods(2, length=20)) == (1, 1)
    assert measured(np.zeros((4, 4, 4), bool)) is None


def test_a_large_label_is_measured_in_its_middle_and_no_more_than_there_is_time_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a rod that is thin but for its middle; each look takes a quarter of the time."""
    monkeypatch.setattr(detail, "MOST_VOXELS", 4 * 12 * 12 * 12)
    mask = np.zeros((48, 48, 48), bool)
    mask[23:25, 23:25] = True
    mask[12:36, 12:36, 12:36] = True
    mask[0, 0, 0] = mask[-1, -1, -1] = True  # its box is all there is
    shares, looked = ThinShares(), 0
    while shares.wants("it"):
        shares.look("it", mask, CUBES)
        looked += 1
    assert looked == 4
    assert shares.shares()["it"] == pytest.approx((0, 0), abs=0.1)
    assert not shares.wants("another")


def test_no_more_labels_are_measured_than_are_needed() -> None:
    shares = ThinShares()
    for count in range(LABELS):
        assert shares.wants("it"), count
        shares.look("it", rods(2), CUBES)
    assert not shares.wants("it")
    assert shares.wants("another")


@pytest.mark.parametrize(("share", "thin"), [(0.24, False), (0.25, True)])
def test_a_quarter_makes_a_structure_thin(share: float, thin: bool) -> None:
    plan = Plan()
    assert (with_details(plan, {"a": (0.0, 0.0), "b": (share, 1.0)}) != plan) == thin
    assert thin_structures({"b": (share, 1.0)}, quick=True) == {"b": 1.0}


def test_every_detail_is_chosen_and_told_with_its_reason() -> None:
    shares = {"organ": (0.1, 0.2), "vessel": (0.47, 0.8)}
    plan = with_details(Plan(), shares)
    assert plan.loss.terms == ("dice_ce", "skeleton_recall")
    assert plan.training.thin == pytest.approx(1 / 3)
    first, *others = reasons(plan, shares)
    assert first.endswith(": 47% of vessel")
    assert [line.split(":")[0] for line in others] == [each.field for each in DETAILS]
    assert reasons(Plan(), shares) == []
    assert reasons(plan, {"organ": (0.1, 0.2)}) == []
    loss_alone = plan.updated({"training": {"thin": 0}})
    assert [line.split(":")[0] for line in reasons(loss_alone, shares)][1:] == ["loss.terms"]


def test_each_detail_names_the_field_that_it_changes() -> None:
    for each in DETAILS:
        found: Any = each.changes
        for part in each.field.split("."):
            found = found[part]
        assert Plan().updated(each.changes) != Plan()


@pytest.mark.slow
def test_a_fine_cohort_gets_details_and_a_plain_one_or_a_preset_does_not(tmp_path: Path) -> None:
    fine, plain = (
        load_cohort(make_phantom(tmp_path / str(kind), labelled=2, unlabelled=1, test=0, fine=kind))
        for kind in (True, False)
    )
    found = make_fingerprint(fine)
    names = [fine.class_names[value] for value in (1, 2)]
    assert list(found.thin) == names
    assert all(share > 0.25 for share, _ in found.thin.values())
    assert make_plan(fine, fingerprint=found).loss.detail == ("skeleton_recall",)
    assert make_plan(fine, fingerprint=found, preset="phantom").loss.detail == ()
    usual = make_plan(plain)
    assert (usual.loss.detail, usual.training.thin) == ((), 0)
    assert not any(math.isnan(share) for pair in found.thin.values() for share in pair)
