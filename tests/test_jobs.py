"""Tasks in real processes: of this machine, and of a make-believe Slurm."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import crln.jobs as jobs_module
from crln.comparison.cell import Cell, Compute, Part
from crln.comparison.leaks import opened_labels
from crln.comparison.variant import parse_variant
from crln.errors import CrlnError, Interrupted
from crln.jobs import Jobs, run_tasks, tells_of_a_stop, visible_gpus
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
def test_cells_side_by_side_each_in_its_own_process(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    """A cell that cannot be done does not keep the other."""
    good = make_cell(tmp_path, phantom, tiny_plan, 0)
    bad = make_cell(tmp_path, phantom, tiny_plan, 1, labelled=99)
    ended: dict[str, Path] = {}
    compute, command = Compute(device="cpu", threads=1), ("compare", "phantom")
    tasks = {cell.name: partial(cell.complete, compute, command) for cell in (good, bad)}
    run_tasks(tasks, Jobs(count=2), tmp_path / "jobs", ended.__setitem__)
    assert ended == {cell.name: tmp_path / "jobs" / f"{cell.name}.log" for cell in (good, bad)}
    assert all(printed.exists() for printed in ended.values())
    test = good.part.split(good.part.load(), 2, 0).test
    assert good.done(test)
    assert opened_labels(good.folder, test) == []
    assert not bad.done(test)
    assert "asked for 99" in bad.fault


def test_what_a_task_prints_goes_to_its_file(tmp_path: Path) -> None:
    ended: list[str] = []
    tasks = {"good": partial(print, "hello"), "bad": partial(int, "no number")}
    run_tasks(tasks, Jobs(), tmp_path / "jobs", lambda name, printed: ended.append(name))
    assert ended == ["good", "bad"]
    assert (tmp_path / "jobs" / "good.log").read_text() == "hello\n"
    assert "no number" in (tmp_path / "jobs" / "bad.log").read_text()


def test_tasks_of_this_process_run_one_after_the_other(tmp_path: Path) -> None:
    said: list[str] = []
    tasks = {name: partial(said.append, name) for name in "abc"}
    run_tasks(tasks, Jobs(count=3, here=True), tmp_path, lambda name, printed: said.append("ended"))
    assert said == ["a", "ended", "b", "ended", "c", "ended"]


@pytest.mark.parametrize(
    ("jobs", "places"),
    [
        (Jobs(), 1), (Jobs(count=3), 3), (Jobs(count=9), 5), (Jobs(slurm=True), 5),
        (Jobs(2, slurm=True), 2), (Jobs(3, here=True), 1),
    ],
)  # fmt: skip
def test_how_many_run_at_a_time(jobs: Jobs, places: int) -> None:
    assert jobs.places(5) == places


def test_gpus_are_shared_out_in_turns(tmp_path: Path) -> None:
    tasks = {str(n): partial(os.system, "echo $CUDA_VISIBLE_DEVICES") for n in range(3)}
    run_tasks(tasks, Jobs(count=3), tmp_path, lambda *_: None, gpus=["3", "5"])
    assert [(tmp_path / f"{n}.log").read_text() for n in range(3)] == ["3\n", "5\n", "3\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="Slurm is for Linux")
def test_as_slurm_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", SACCT)):
        path = programs / name
        path.write_text(text.replace("{place}", str(tmp_path)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    ended: list[str] = []
    options = {"slurm_partition": "gpu", "cpus_per_task": 2, "timeout_min": 5}
    run_tasks(
        {"one": partial((tmp_path / "done").write_text, "x")}, Jobs(slurm=True, options=options),
        tmp_path / "jobs", lambda name, printed: ended.append(name),
    )  # fmt: skip
    assert ended == ["one"]
    assert (tmp_path / "done").exists()
    (script,) = (tmp_path / "jobs").glob("77_submission.sh")
    assert "--partition=gpu" in script.read_text()
    assert "--time=5" in script.read_text()


class Endless:
    """A task that never ends and does not heed."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.printed = Path("log")

    def done(self) -> bool:
        return False

    def ask_to_stop(self) -> None:
        self.told.append("stop")

    def end(self) -> None:
        self.told.append("end")


def test_an_interruption_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Endless] = []

    def start(*_: object) -> Endless:
        started.append(Endless())
        return started[-1]

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs_module, "_local", lambda folder, gpus: start)
    monkeypatch.setattr(jobs_module.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(dict.fromkeys("abcd", int), Jobs(count=3), tmp_path, lambda *_: None)
    assert [job.told for job in started] == [["stop", "end"]] * 3


@pytest.mark.parametrize(
    ("end", "code"), [(KeyboardInterrupt(), 130), (SystemExit(128 + signal.SIGTERM), 143)]
)
def test_a_stop_is_told_with_the_exit_code_of_its_signal(end: BaseException, code: int) -> None:
    with (
        pytest.raises(Interrupted, match="2 cells ended") as told,
        tells_of_a_stop(lambda: "2 cells ended"),
    ):
        raise end
    assert told.value.code == code


def comparing(phantom: Path, plan: Plan, folder: Path) -> list[str]:
    """A comparison that would take long, as a person starts it."""
    path = folder / "plan.yaml"
    path.write_text(plan.updated({"training": {"iterations": 20_000}}).to_yaml())
    words = ["-c", "from crln.cli import main; main()", "compare", phantom, "--plan", path]
    words += ["--out", folder / "out", "--methods", "supervised", "--labelled", 2]
    return [sys.executable, *map(str, words)]


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_shows_no_traceback(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    command = comparing(phantom, tiny_plan, tmp_path)
    with subprocess.Popen(
        command, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until(lambda: any((tmp_path / "out").glob("cells/*/log.csv")))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
        try:
            out, err = process.communicate(timeout=90)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.endswith("learnt is saved, and the same command goes on\n")
    assert "Traceback" not in out + err
    (lock,) = (tmp_path / "out").glob("cells/*.lock")
    assert free(lock)


@pytest.mark.slow
def test_a_signal_leaves_no_training_running(
    phantom: Path, tiny_plan: Plan, tmp_path: Path
) -> None:
    """A cell that went on by itself would hold its lock, and the machine.

    Started as a script starts what it leaves in the background, with Ctrl-C ignored.
    """
    command = comparing(phantom, tiny_plan, tmp_path)
    background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    with subprocess.Popen(background, start_new_session=True) as process:
        until(lambda: any((tmp_path / "out").glob("cells/*/log.csv")))
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(90) == 128 + signal.SIGTERM
        finally:
            process.kill()
    (lock,) = (tmp_path / "out").glob("cells/*.lock")
    assert free(lock)


def until(reached: Callable[[], bool], seconds: float = 90) -> None:
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
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus() == ["3", "5"]


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
        run_tasks({}, Jobs(slurm=True, options=options), tmp_path, print)


def test_without_slurm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CrlnError, match="Slurm is not to be found"):
        run_tasks({}, Jobs(slurm=True), tmp_path, print)


def test_without_submitit_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(CrlnError, match=r"pip install 'crln\[cluster\]'"):
        run_tasks({}, Jobs(slurm=True), tmp_path, print)
