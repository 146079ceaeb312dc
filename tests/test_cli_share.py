"""crln predict --share, in real processes."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

import crln
from crln.planning import Plan

pytestmark = pytest.mark.slow

pytest.importorskip("fcntl")

SCANS = 40
PROGRAM = Path(sys.executable).with_name("crln")


@pytest.fixture
def run(phantom: Path, tiny_plan: Plan, tmp_path: Path) -> Path:
    plan = tiny_plan.updated({"training": {"iterations": 1}})
    cohort = crln.split_cohort(crln.load_cohort(phantom))
    crln.train(cohort, plan, tmp_path / "run", method="supervised", progress=False)
    return tmp_path / "run"


@pytest.fixture
def scans(phantom: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    scan = crln.load_cohort(phantom).test[0].images[0]
    for number in range(SCANS):
        shutil.copy(scan, folder / f"scan{number:02}.nii.gz")
    return folder


def told(output: str) -> set[str]:
    """The cases that a process says it has outlined."""
    return set(re.findall(r"^\d+/\d+ (\w+): [\d.]+ s$", output, re.MULTILINE))


def test_two_processes_share_a_folder_and_one_is_killed(
    run: Path, scans: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    words = [PROGRAM, "predict", run, scans, "--out", masks, "--share", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    dying, other = (
        subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    )
    assert dying.stdout is not None
    first = dying.stdout.readline()  # it is about to take, or has taken, its next scan
    time.sleep(0.02)
    dying.kill()
    before = told(first + dying.communicate()[0])
    after = told(other.communicate()[0])
    assert other.returncode == 0

    assert before
    assert after
    assert not before & after
    assert len(before | after) >= SCANS - 1  # one may have been written but not told of
    written = sorted(path.name for path in masks.glob("*.nii.gz"))
    assert written == sorted(path.name for path in scans.iterdir())
    assert all(nib.load(masks / name).shape == (24, 24, 20) for name in written)


def test_running_the_line_again_does_what_is_left(
    run: Path, scans: Path, tmp_path: Path, command_line: Callable[..., Any]
) -> None:
    few = sorted(scans.iterdir())[:3]
    assert command_line("predict", run, *few[:2], "--out", tmp_path / "masks").code == 0
    again = command_line("predict", run, *few, "--out", tmp_path / "masks", "--share")
    assert told(again.out) == {"scan02"}
    assert "1 of 1 masks" in again.out
    done = command_line("predict", run, *few, "--out", tmp_path / "masks", "--share")
    assert (done.code, told(done.out)) == (0, set())
    refused = command_line(
        "predict", run, *few, "--out", tmp_path / "masks", "--share", "--overwrite"
    )
    assert refused.code == 2
