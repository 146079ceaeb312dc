"""What `make gpu` runs, without a GPU: that it says so, and that every line of it can run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
pytestmark = pytest.mark.slow


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no CUDA device here: ")
    assert done.stdout.count("\n") == 1


def test_a_trial_on_the_processor_agrees_with_itself(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    methods = ("crln", "supervised")
    done = run("--device", "cpu", "--quick", "--json", out, "--methods", *methods)
    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    measured = content["measured"]
    assert set(measured["methods"]) == set(methods)
    for found in measured["methods"].values():
        assert found["32"]["apart"] == 0
        assert found["32"]["losses"] == found["losses on the processor"]
        assert found["32"]["step"] > 0
    assert measured["prediction"]["apart"] == 0
    by_name = {figure["name"]: figure for figure in content["figures"]}
    assert by_name["supervised, 32: loss apart"]["met"]
    assert "crln, 32: step / floor" in by_name
