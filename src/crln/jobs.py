"""Tasks one after the other or side by side: in processes of this machine, or as a cluster's jobs.

A process of its own gives each task its own memory, its own GPU, and an end that hurts no other.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from crln.errors import CrlnError, Interrupted, needs

Task = Callable[[], object]
"""What a job does; to reach another process it must be picklable."""

_SLURM_MINUTES = 24 * 60
_POLL_SECONDS = 0.2
_PATIENCE = 60.0
"""Seconds that a stopped task has to finish its step and save."""


@dataclass(frozen=True)
class Jobs:
    """How many tasks run at a time, and where.

    Attributes:
        count: side by side; None: one on this machine, all at once on a cluster.
        slurm: whether each is a Slurm job.
        options: of the Slurm jobs, as submitit calls them: `slurm_partition`, `gpus_per_node`,
            `mem_gb`, `cpus_per_task`, `timeout_min` (then a job is queued again and goes on).
        here: one after the other in this process; a fault in one then ends all.
    """

    count: int | None = None
    slurm: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    here: bool = False

    def places(self, tasks: int) -> int:
        """How many of so many tasks run at a time."""
        most = 1 if self.here else self.count or (tasks if self.slurm else 1)
        return min(tasks, most)


def run_tasks(
    tasks: Mapping[str, Task],
    jobs: Jobs,
    folder: Path,
    finished: Callable[[str, Path], object],
    gpus: Sequence[str] = (),
) -> None:
    """Runs the tasks; whatever ends it, no task is left running.

    Ctrl-C, SIGTERM and a closed terminal stop the tasks as SIGTERM does, give them a minute to
    save, and raise KeyboardInterrupt or SystemExit here. What a task prints goes to a file.

    Args:
        tasks: by name.
        jobs: how many at a time, and where.
        folder: made for what the tasks print, and for the files of Slurm's jobs.
        finished: called with the name of each task that ended, well or not, and what it printed.
        gpus: what CUDA_VISIBLE_DEVICES may be; the tasks of this machine take turns.

    Raises:
        CrlnError: Slurm or its library is not there, or does not know an option.

    Examples:
        >>> run_tasks({"a": partial(print, "hello")}, Jobs(here=True), Path("jobs"), print)
        hello
        a jobs/a.log
    """
    folder.mkdir(parents=True, exist_ok=True)
    if jobs.here:
        for name, task in tasks.items():
            task()
            finished(name, folder / f"{name}.log")
        return
    start = _slurm(jobs, folder) if jobs.slurm else _local(folder, gpus)
    waiting = deque(tasks.items())
    running: dict[int, tuple[str, _Running]] = {}
    with _signals_raise():
        try:
            while waiting or running:
                for place in set(range(jobs.places(len(tasks)))) - running.keys():
                    if waiting:
                        name, task = waiting.popleft()
                        running[place] = name, start(name, task, place)
                time.sleep(_POLL_SECONDS)
                for place, (name, job) in list(running.items()):
                    if job.done():
                        del running[place]
                        finished(name, job.printed)
        finally:
            _stop([job for _, job in running.values()])


@contextmanager
def tells_of_a_stop(words: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C or a signal that ends `run_tasks` within becomes `Interrupted`, which says more.

    Args:
        words: what is saved, and how to go on; called when that happens.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        number = int(end.code or 128) - 128 if isinstance(end, SystemExit) else signal.SIGINT
        raise Interrupted(words(), number) from None


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may be set to, a GPU each."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


class _Running(Protocol):
    """A task that was started."""

    printed: Path

    def done(self) -> bool:
        """Whether it has ended."""

    def ask_to_stop(self) -> None:
        """Has it end by itself, if it can."""

    def end(self) -> None:
        """Ends it."""


_Start = Callable[[str, Task, int], _Running]


def _stop(jobs: Sequence[_Running]) -> None:
    """Asks all to stop, waits, and ends what still runs; a second Ctrl-C ends it at once."""
    for job in jobs:
        job.ask_to_stop()
    until = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < until and not all(job.done() for job in jobs):
            time.sleep(_POLL_SECONDS)
    finally:
        for job in jobs:
            job.end()


class _Process:
    """A task in a process of this machine."""

    def __init__(self, task: Task, printed: Path, gpu: str | None) -> None:
        self.printed = printed
        place = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        with printed.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "crln.jobs"],
                stdin=subprocess.PIPE, stdout=file, stderr=file, env={**os.environ, **place},
            )  # fmt: skip
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pickle.dump(task, pipe)

    def done(self) -> bool:
        return self._process.poll() is not None

    def ask_to_stop(self) -> None:
        self._process.terminate()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _local(folder: Path, gpus: Sequence[str]) -> _Start:
    def start(name: str, task: Task, place: int) -> _Running:
        gpu = gpus[place % len(gpus)] if gpus else None
        return _Process(task, folder / f"{name}.log", gpu)

    return start


class _SlurmJob:
    """A task on a cluster."""

    def __init__(self, job: Any) -> None:
        self._job, self.printed = job, Path(job.paths.stderr)
        self._cancelled = False

    def done(self) -> bool:
        return self._cancelled or bool(self._job.done())

    def ask_to_stop(self) -> None:
        self._job.cancel(check=False)
        self._cancelled = True  # Slurm waits for it

    def end(self) -> None:
        pass


class _Resumable:
    """What submitit runs; a job that is preempted or out of time is queued again as it is."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self) -> None:
        self.task()

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _slurm(jobs: Jobs, folder: Path) -> _Start:
    with needs("cluster", "--slurm"):
        import submitit
    try:
        executor = submitit.AutoExecutor(folder, cluster="slurm")
    except RuntimeError as error:
        raise CrlnError(f"Slurm is not to be found ({error}); leave out --slurm") from error
    try:
        executor.update_parameters(
            **{"name": "crln", "timeout_min": _SLURM_MINUTES, **jobs.options}
        )
    except (NameError, AssertionError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise CrlnError(f"--job-option: {line}; correct it") from error
    return lambda name, task, place: _SlurmJob(executor.submit(_Resumable(task)))


@contextmanager
def _signals_raise() -> Iterator[None]:
    """`kill` and a closed terminal raise SystemExit, Ctrl-C KeyboardInterrupt.

    What is ignored stays so, as by `nohup`.
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    ends = [n for n in numbers if n is not None and signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_one() -> None:
    """What a `_Process` does; Ctrl-C is for the one that started it, which then stops this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task: Task = pickle.load(sys.stdin.buffer)
    try:
        task()
    except KeyboardInterrupt as end:  # told to stop, and saved
        print(end, file=sys.stderr)
        sys.exit(getattr(end, "code", 1))


if __name__ == "__main__":
    _run_one()
