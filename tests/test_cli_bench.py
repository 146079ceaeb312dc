"""crln bench: what it measures is in tests/profiling; here, what it takes and says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crln.cohort import load_cohort, split_cohort
from crln.planning import Plan
from crln.profiling import Rates
from crln.training import train

pytestmark = pytest.mark.slow

CommandLine = Callable[..., Any]


@pytest.fixture(autouse=True)
def _known_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crln.profiling.step.device_rates", lambda _: Rates(1e9, 1e9))


def test_a_plan_is_measured(tiny_plan: Plan, tmp_path: Path, command_line: CommandLine) -> None:
    plan, out = tmp_path / "plan.yaml", tmp_path / "bench.json"
    plan.write_text(tiny_plan.to_yaml())
    result = command_line(
        "bench", "--plan", plan, "--repeats", 1, "--method", "mean_teacher", "--json", out
    )
    assert result.code == 0, result.err
    assert "mean_teacher on cpu, 2 + 2 patches of 16x16x16, 1 channels" in result.out
    words = ("backward", "losses", "teacher, backbone", "4 steps:", "memory:", "GFLOP", "limit:")
    for word in words:
        assert word in result.out
    written = out.read_bytes()
    refused = command_line("bench", "--plan", plan, "--json", out)
    assert refused.code == 2
    assert f"{out}: exists; give another --json, or --overwrite" in refused.err
    assert out.read_bytes() == written
    (tmp_path / "scan.nii.gz").touch()
    for other in (tmp_path / "scan.nii.gz", plan):
        refused = command_line("bench", "--plan", plan, "--json", other, "--overwrite")
        assert refused.err.startswith(f"error: {other}: is no .json file, so it is not replaced")
    assert {"step", "parts", "work", "hours", "limit"} <= json.loads(out.read_text()).keys()


def test_a_run_brings_its_plan_and_method(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, command_line: CommandLine
) -> None:
    cohort = split_cohort(load_cohort(phantom))
    plan = tiny_plan.updated({"training": {"iterations": 1}})
    train(cohort, plan, tmp_path / "run", method="supervised", progress=False)
    result = command_line("bench", tmp_path / "run", "--repeats", 1)
    assert result.code == 0, result.err
    assert result.out.startswith("supervised on cpu")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "0 plans given (none); give one of RUN, --plan and --preset"),
        (("run", "--preset", "la"), "2 plans given (run, la); give one of"),
        (("--preset", "liver"), "no preset 'liver'; choose one of"),
        (("--preset", "phantom", "--method", "unet"), "no method 'unet'; choose one of"),
        (("--preset", "phantom", "--precision", "bf16", "--device", "cpu"), "use --precision 32"),
    ],
)
def test_faults(words: tuple[str, ...], line: str, command_line: CommandLine) -> None:
    result = command_line("bench", *words)
    assert result.code == 2
    assert line in result.err
