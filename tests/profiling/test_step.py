"""What a profile counts, not how long it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from crln.planning import Plan
from crln.profiling import Rates, StepProfile, Timing, Work, bench, profile_step, stand_ins

pytestmark = pytest.mark.slow

EVERY_STEP = {
    "wait for data", "to the device", "losses", "backward", "optimiser", "moving average", "other",
    "labelled view",
}  # fmt: skip
OF_CRLN = {
    "weak view", "strong view", "student, backbone", "student, head", "student, interaction",
    "student, to embedding", "teacher, backbone", "teacher, head", "teacher, interaction",
}  # fmt: skip


@pytest.fixture
def profile() -> StepProfile:
    return StepProfile(
        step=Timing(2.0, 0.1, 5), parts={"wait for data": 0.01, "other": 1.99},
        work=Work(flops=60, bytes=50), rates=Rates(flops=50.0, bytes=50.0),
        peak_gib=1.0, capacity_gib=2.0, page_faults=0, iterations=3600,
    )  # fmt: skip


def test_hours_and_what_limits(profile: StepProfile) -> None:
    assert profile.hours == 2.0
    assert profile.floors == {"data": 0.01, "arithmetic": 1.2, "memory": 1.0}
    assert profile.limit == "arithmetic"
    assert replace(profile, work=Work(10, 50)).limit == "memory"
    assert replace(profile, work=Work(1, 1)).limit == "overhead"
    assert replace(profile, parts={"wait for data": 0.1}).limit == "data"
    assert replace(profile, rates=None).limit == "overhead"


def test_a_step_of_crln_by_part(tiny_plan: Plan) -> None:
    found = profile_step(tiny_plan, repeats=1, rates=False)
    assert found.parts.keys() == EVERY_STEP | OF_CRLN
    assert sum(found.parts.values()) == pytest.approx(found.step.median, rel=0.1)
    assert found.work.flops > 0
    assert found.peak_gib <= found.capacity_gib


def test_what_is_timed_lies_past_the_labelled_start(tiny_plan: Plan) -> None:
    plan = tiny_plan.updated({"training": {"labelled_start": 0.9}})
    with bench(plan, "mean_teacher", steps=8) as made:
        _, parts = made.by_part(1)
    assert "teacher" in parts


def test_stand_ins_are_removed(
    tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with bench(tiny_plan, "supervised", steps=1) as made:
        made.take()
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())
    assert stand_ins(tiny_plan, tmp_path, 0, labelled=True) == []
