"""Several processes learn what one does, and end together."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crln.cohort import load_cohort, split_cohort
from crln.errors import CrlnError
from crln.methods import METHODS
from crln.methods.first_stages import TASKS
from crln.parallel.launch import Launch, find_launch, is_first
from crln.planning import Plan
from crln.runs import open_run
from crln.training import train

pytestmark = pytest.mark.slow

FOLLOWING = Path(__file__).parents[1] / "training" / "following.py"
PROGRAM = Path(sys.executable).with_name("crln")
TORCHRUN = Path(sys.executable).with_name("torchrun")
TORCHRUN_TELLS = {
    "TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "5",
}  # fmt: skip
SRUN_TELLS = {
    "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_PROCID": "0",
}  # fmt: skip


@pytest.fixture
def plan(tiny_plan: Plan, tmp_path: Path) -> Path:
    """A plan as a file, of SGD: it parts more slowly by rounding than Adam."""
    training = {"optimiser": "sgd", "lr": 0.002, "iterations": 12}
    path = tmp_path / "plan.yaml"
    path.write_text(tiny_plan.updated({"training": training}).to_yaml())
    return path


def program(*words: object, **options: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(word) for word in words], text=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # type: ignore[call-overload, no-any-return]  # fmt: skip


def rows_of(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "log.csv").read_text().splitlines()))


def workers(parent: int) -> list[int]:
    """The processes that a training has started, but for Python's own helper."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    children = [int(pid) for thread in threads for pid in thread.read_text().split()]
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in sorted(children)}
    return [pid for pid, line in lines.items() if "spawn_main" in line]


def test_two_processes_follow_one(plan: Path, tmp_path: Path) -> None:
    """Losses of every method and first stage, and 20 steps of CRLN; of an unknown network, too.

    Dropout is on.

    CRLN's patches are larger: 16^3 leaves one voxel at the bottleneck, and a batch norm over four
    such voxels lets rounding grow fivefold a step.
    """
    plan.write_text(Plan.read(plan).updated({"network": {"dropout": 0.5}}).to_yaml())
    steps = dict.fromkeys([*METHODS, *TASKS, "beside", "stranger"], (3, 64, 16)) | {
        "crln": (20, 64, 32),
        "diffrect": (2, 32, 16),
    }
    jobs = [f"{name}:{count}:{bits}:{side}" for name, (count, bits, side) in steps.items()]
    losses = []
    for devices in (1, 2):
        out = tmp_path / f"{devices}.json"
        process = program(sys.executable, FOLLOWING, plan, devices, out, *jobs)
        assert process.communicate()[1] == ""
        losses.append(json.loads(out.read_text()))
    for name, (count, bits, _) in steps.items():
        one, two = (found[name]["losses"] for found in losses)
        assert len(one) == len(two) == count
        for step, (ours, theirs) in enumerate(zip(one, two, strict=True)):
            tolerance = 1e-9 if bits == 64 else 1e-4
            assert ours == pytest.approx(theirs, abs=tolerance), f"{name}, step {step}"


def test_the_program_learns_with_two_processes(phantom: Path, plan: Path, tmp_path: Path) -> None:
    """The first one talks, validates and writes."""
    process = program(
        PROGRAM, "train", phantom, "--plan", plan, "--method", "supervised", "--devices", 2,
        "--validation", 1, "--out", tmp_path / "run",
    )  # fmt: skip
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.count("supervised: ") == out.count("model in ") == 1
    run = open_run(tmp_path / "run")
    assert run.finished
    assert run.facts.processes == 2
    assert str(run.facts.chosen).startswith("validation: Dice ")
    rows = [int(row["step"]) for row in rows_of(run.path) if not row["validation"]]
    assert rows == list(range(1, 13))


def test_a_killed_process_ends_all_and_one_goes_on(
    phantom: Path, plan: Path, tmp_path: Path
) -> None:
    words = ["train", phantom, "--plan", plan, "--method", "supervised", "--iterations", 200]
    cut = tmp_path / "cut"
    process = program(PROGRAM, *words, "--out", cut, "--devices", 2)
    while process.poll() is None and (not (cut / "log.csv").exists() or len(rows_of(cut)) < 6):
        time.sleep(0.02)
    os.kill(workers(process.pid)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert err.count("\n") == 1
    assert err.startswith("error: process 1 of 2 died (SIGKILL); ")
    assert not (cut / "weights.safetensors").exists()

    cohort, settled = split_cohort(load_cohort(phantom)), open_run(cut).plan
    train(cohort, settled, cut, method="supervised", progress=False, resume=True)
    assert open_run(cut).finished
    steps = [int(row["step"]) for row in rows_of(cut)]
    assert steps == sorted(set(steps))  # nothing twice
    assert steps[-1] == 200


@pytest.mark.slow
def test_ctrl_c_lets_every_process_finish_its_step_and_saves(
    phantom: Path, plan: Path, tmp_path: Path
) -> None:
    words = ["train", phantom, "--plan", plan, "--method", "supervised", "--iterations", 20_000]
    cut = tmp_path / "cut"
    process = program(PROGRAM, *words, "--out", cut, "--devices", 2, start_new_session=True)
    while process.poll() is None and (not (cut / "log.csv").exists() or len(rows_of(cut)) < 3):
        time.sleep(0.02)
    started = workers(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith("which is saved; the same command with --resume goes on")
    assert (cut / "checkpoint.safetensors").exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


def test_torchrun_starts_the_processes(phantom: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = program(
        TORCHRUN, "--nproc-per-node", 2, "--no-python", PROGRAM, "train", phantom, "--out", out,
        "--plan", plan, "--method", "mean_teacher", "--iterations", 2, "--labelled", 2,
    )  # fmt: skip
    told, err = process.communicate()
    assert process.returncode == 0, err
    assert told.count("2 labelled") == told.count("model in ") == 1
    assert open_run(out).facts.processes == 2


def test_a_fault_in_a_process_is_one_line(phantom: Path, plan: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    words = ["train", phantom, "--plan", plan, "--out", tmp_path / "run", "--devices", 2]
    process = program(PROGRAM, *words)
    err = process.communicate()[1]
    assert process.returncode == 2
    assert err == (
        f"error: {tmp_path / 'run'}: exists already; use --resume, --overwrite or another --out\n"
    )


def test_patches_must_divide(tiny_plan: Plan, phantom: Path, tmp_path: Path) -> None:
    cohort = split_cohort(load_cohort(phantom))
    with pytest.raises(CrlnError, match="2 patches a step cannot be divided among 3 processes"):
        train(cohort, tiny_plan, tmp_path / "run", devices=3)
    assert not (tmp_path / "run").exists()


def test_what_was_started_already_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_launch(None, None) == Launch(1, 1)
    assert find_launch(4, None) == Launch(4, 1)
    assert is_first()
    with pytest.raises(CrlnError, match=r"--nodes 2: .*torchrun --nnodes 2 --nproc-per-node 4 "):
        find_launch(4, 2)
    for tells, by, first in ((TORCHRUN_TELLS, "torchrun", False), (SRUN_TELLS, "srun", True)):
        with monkeypatch.context() as patch:
            for name, value in tells.items():
                patch.setenv(name, value)
            assert find_launch(None, None) == find_launch(4, 2) == Launch(4, 2, by)
            assert is_first() is first
            with pytest.raises(CrlnError, match=f"--devices 2: {by} has started 4; leave it out"):
                find_launch(2, None)


def test_one_task_of_slurm_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job that runs a single command, whatever the batch script has asked for."""
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert find_launch(None, None) == Launch()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(CrlnError, match="--ntasks-per-node"):
        find_launch(None, None)
