"""submitit drives real processes: its local executor, and its Slurm one on a make-believe Slurm."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import crln.comparison.jobs as jobs_module
from crln.comparison.cell import Cell, Compute, Part
from crln.comparison.jobs import Jobs, run_cells
from crln.comparison.leaks import opened_labels
from crln.comparison.variant import parse_variant
from crln.errors import CrlnError
from crln.planning import Plan

# Of Slurm just what submitit asks for: sbatch starts the script and gives a number, srun drops its
# own options, sacct knows what still runs.
SBATCH = """#!/bin/sh
for script; do :; done
SLURM_JOB_ID=77 SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 \\
SLURM_LOCALID=0 SLURM_JOB_NODELIST=here setsid sh "$script" >/dev/null 2>&1 &
echo $! > {place}/pid
echo "Submitted batch job 77"
"""
SRUN = """#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in --*) [ "$1" = --unbuffered ] || case "$1" in *=*) ;; *) shift;; esac; shift;;
  *) break;; esac
done
exec "$@"
"""
SACCT = """#!/bin/sh
echo "JobID|State|NodeList"
if kill -0 $(cat {place}/pid) 2>/dev/null; then echo "77|RUNNING|here"
else echo "77|COMPLETED|here"; fi
"""


def make_cell(folder: Path, phantom: Path, plan: Plan, seed: int, labelled: int = 2) -> Cell:
    plan = plan.updated({"training": {"iterations": 1}})
    part = Part(phantom, 0, 0)
    return Cell(
        folder / f"supervised-{seed}", parse_variant("supervised"), plan, labelled, seed, part
    )


@pytest.mark.slow
def test_side_by_side_each_in_its_own_process(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    """submitit's local executor; a cell that cannot be done does not keep the other."""
    good = make_cell(tmp_path, phantom, tiny_plan, 0)
    bad = make_cell(tmp_path, phantom, tiny_plan, 1, labelled=99)
    ended: list[tuple[str, Path]] = []
    run_cells(
        [good, bad], Compute(device="cpu"), Jobs(count=2), tmp_path / "jobs",
        ("compare", "phantom"), lambda cell, printed: ended.append((cell.name, printed)),
    )  # fmt: skip
    assert sorted(name for name, _ in ended) == [good.name, bad.name]
    assert all(printed.exists() for _, printed in ended)
    test = good.part.split(good.part.load(), 2, 0).test
    assert good.done(test)
    assert opened_labels(good.folder, test) == []
    assert good.open().facts.command == "crln compare phantom"
    assert good.open().facts.threads == max(1, (os.cpu_count() or 1) // 2)
    assert not bad.done(test)
    assert "asked for 99" in bad.fault


@pytest.mark.skipif(sys.platform != "linux", reason="Slurm is for Linux")
def test_as_slurm_jobs(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT)):
        path = programs / name
        path.write_text(text.replace("{place}", str(tmp_path)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    cell = make_cell(tmp_path, phantom, tiny_plan, 0)
    ended = []
    options = {"slurm_partition": "gpu", "cpus_per_task": 2, "timeout_min": 5}
    run_cells(
        [cell], Compute(device="cpu"), Jobs(slurm=True, options=options), tmp_path / "jobs", (),
        lambda cell, printed: ended.append(cell.name),
    )  # fmt: skip
    assert ended == [cell.name]
    assert cell.done(cell.part.split(cell.part.load(), 2, 0).test)
    (script,) = (tmp_path / "jobs").glob("77_submission.sh")
    assert "--partition=gpu" in script.read_text()
    assert "--time=5" in script.read_text()


class Job:
    """A job that never ends."""

    def __init__(self, job: object) -> None:
        self.job, self.cancelled = job, False

    def done(self) -> bool:
        return False

    def cancel(self, check: bool) -> None:
        self.cancelled = True


class Executor:
    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def submit(self, job: object) -> Job:
        self.jobs.append(Job(job))
        return self.jobs[-1]


def test_an_interruption_leaves_nothing_running(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Executor()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs_module, "_local", lambda folder: executor)
    monkeypatch.setattr(jobs_module.time, "sleep", interrupt)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    cells = [make_cell(tmp_path, phantom, tiny_plan, seed) for seed in range(4)]
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, Compute(), Jobs(count=3), tmp_path, (), lambda *_: None)
    assert [job.cancelled for job in executor.jobs] == [True] * 3
    assert [job.job.gpu for job in executor.jobs] == ["3", "5", "3"]  # shared out in turns


def test_a_signal_leaves_no_training_running(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    """A cell that went on by itself would hold its lock, and the machine.

    Started as a script starts what it leaves in the background, with Ctrl-C ignored.
    """
    plan, out = tmp_path / "plan.yaml", tmp_path / "out"
    long = tiny_plan.updated({"training": {"iterations": 20_000}})
    plan.write_text(long.to_yaml())
    start = "from crln.cli import main; main()"
    command = [sys.executable, "-c", start, "compare", str(phantom), "--plan", str(plan)]
    command += ["--out", str(out), "--methods", "supervised", "--labelled", "2"]
    background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    with subprocess.Popen(background, start_new_session=True) as process:
        until(lambda: any(out.glob("cells/*/log.csv")))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    (lock,) = out.glob("cells/*.lock")
    until(lambda: free(lock))


def until(reached: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.1)


def free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_each_gpu_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert jobs_module._visible_gpus() == ["0", "1"]


def test_a_cells_process_sees_its_gpu_alone(
    phantom: Path, tiny_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(
        Cell, "complete", lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
    )
    cell = make_cell(tmp_path, phantom, tiny_plan, 0)
    jobs_module._CellJob(cell, Compute(), (), "5")()
    jobs_module._CellJob(cell, Compute(), (), None)()
    assert seen == ["5", "5"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"slurm_nonsense": 1}, "--job-option: .*nonsense"),
        ({"timeout_min": "soon"}, "--job-option: .*timeout_min"),
    ],
)
def test_wrong_options_of_jobs_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict, line: str
) -> None:
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CrlnError, match=line):
        run_cells([], Compute(), Jobs(slurm=True, options=options), tmp_path, (), print)


def test_without_slurm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CrlnError, match="Slurm is not to be found"):
        run_cells([], Compute(), Jobs(slurm=True), tmp_path, (), print)
