"""--hours, --quick and the memory that is found: what the plan becomes, and what is said."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crln.planning import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes 0.1 s a step, whatever is asked of it."""
    monkeypatch.setattr(
        "crln.profiling.estimate.steps_within", lambda _, seconds, *a, **k: (int(10 * seconds), 0.1)
    )


@pytest.mark.usefixtures("timed")
def test_hours_become_steps_and_are_told(
    phantom: Path, tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    out = tmp_path / "plan.yaml"
    result = command_line("plan", phantom, "--hours", 0.01, "--out", out)
    assert result.code == 0, result.err
    assert Plan.read(out).training.iterations == 360
    assert "--hours 0.01: 360 steps of crln at 0.1 s" in " ".join(result.out.split())


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize(
    ("words", "steps"), [([], 36), (["--jobs", 2], 180)], ids=["one after the other", "as jobs"]
)
def test_members_that_are_trained_one_after_the_other_share_the_hours(
    words: list[object], steps: int, phantom: Path, tmp_path: Path,
    command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    taken: list[Plan] = []
    monkeypatch.setattr("crln.cli.train._train_ensemble", lambda _, plan, *a: taken.append(plan))
    result = command_line(
        "train", phantom, "--out", tmp_path / "run", "--folds", 1, "--members", 5,
        "--hours", 0.005, *words,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert taken[0].training.iterations == steps
    assert ("5 times 36 steps of crln" in " ".join(result.out.split())) is (not words)


@pytest.mark.usefixtures("timed")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hours", 1, "--iterations", 5], "--hours 1 and --iterations 5 exclude each other"),
        (["--hours", 0], "--hours 0: not a time to train"),
        (["--hours", 1, "--devices", 2], "--hours 1: for a new training in one process"),
        (["--plan", "plan.yaml", "--quick"], "--plan plan.yaml and --quick exclude each other"),
        (["--preset", "la", "--quick"], "--quick and --preset la exclude each other"),
    ],
)
def test_what_cannot_be_is_told(
    words: list[object], message: str, phantom: Path, tmp_path: Path,
    command_line: Callable[..., Any],
) -> None:  # fmt: skip
    result = command_line("train", phantom, "--out", tmp_path / "run", *words)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert message in result.err
    assert not (tmp_path / "run").exists()


def test_quick_plans_at_half_the_resolution(
    phantom: Path, tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    spacings = []
    for words in ([], ["--quick"]):
        out = tmp_path / f"plan{len(words)}.yaml"
        assert command_line("plan", phantom, "--out", out, "--no-estimate", *words).code == 0
        spacings.append(Plan.read(out).spacing)
    assert spacings[1] == tuple(2 * side for side in spacings[0])


def test_little_memory_shrinks_the_plan_and_is_told(
    phantom: Path, tmp_path: Path, command_line: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crln.memory.affordable_gib", lambda _: 0.5)
    out = tmp_path / "plan.yaml"
    result = command_line("plan", phantom, "--out", out, "--no-estimate")
    assert result.code == 0, result.err
    said = " ".join(result.out.split())
    assert re.search(r"memory: 0.5 GiB for a step; 1 \+ 1 patches of .* in place of 2 \+ 2", said)
    training = Plan.read(out).training
    assert (training.labelled, training.unlabelled) == (1, 1)
