"""Runs cells, each in a process of its own: side by side here, or as jobs of a cluster.

A process of its own gives each cell its own record of opened files and its own peak of memory.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import submitit
import torch
from submitit.helpers import Checkpointable

from crln.comparison.cell import Cell, Compute
from crln.errors import CrlnError

_LOCAL_MINUTES = 365 * 24 * 60
_SLURM_MINUTES = 24 * 60
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Jobs:
    """How many cells run at a time, and where.

    Attributes:
        count: cells side by side; None: one on this machine, all at once on a cluster.
        slurm: whether each is a Slurm job.
        options: of the Slurm jobs, as submitit calls them: `slurm_partition`, `gpus_per_node`,
            `mem_gb`, `cpus_per_task`, `timeout_min` (then a job is queued again and goes on).
    """

    count: int | None = None
    slurm: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class _CellJob(Checkpointable):  # type: ignore[misc]
    """What submitit runs; a job that is preempted or out of time is queued again as it is."""

    def __init__(
        self, cell: Cell, compute: Compute, command: tuple[str, ...], gpu: str | None
    ) -> None:
        self.cell, self.compute, self.command, self.gpu = cell, compute, command, gpu

    def __call__(self) -> None:
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        self.cell.complete(self.compute, self.command)


def run_cells(
    cells: Sequence[Cell],
    compute: Compute,
    jobs: Jobs,
    folder: Path,
    command: tuple[str, ...],
    finished: Callable[[Cell, Path], None],
) -> None:
    """Runs the cells; whatever ends it, no local job is left running.

    Args:
        cells: those that are not done.
        compute: where and how.
        jobs: how many at a time.
        folder: for submitit's files: what each process printed, and its task.
        command: what the cells name as their command.
        finished: called with each cell whose process ended, well or not, and what it printed.

    Raises:
        CrlnError: Slurm is not there, or does not know an option.
    """
    executor = _slurm(jobs, folder) if jobs.slurm else _local(folder)
    places = min(len(cells), jobs.count or (len(cells) if jobs.slurm else 1))
    if not jobs.slurm and places > 1 and compute.threads is None:
        compute = replace(compute, threads=max(1, (os.cpu_count() or 1) // places))
    gpus: list[str] = [] if jobs.slurm or compute.device == "cpu" else _visible_gpus()
    waiting = deque(cells)
    running: dict[int, tuple[Cell, submitit.Job[None]]] = {}
    with _signals_raise():
        try:
            while waiting or running:
                for place in set(range(places)) - running.keys():
                    if waiting:
                        cell = waiting.popleft()
                        gpu = gpus[place % len(gpus)] if gpus else None
                        job = executor.submit(_CellJob(cell, compute, command, gpu))
                        running[place] = cell, job
                time.sleep(_POLL_SECONDS)
                for place, (cell, job) in list(running.items()):
                    if job.done():
                        del running[place]
                        finished(cell, job.paths.stderr)
        finally:
            for _, job in running.values():
                job.cancel(check=False)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """`kill` and a closed terminal raise SystemExit, Ctrl-C KeyboardInterrupt.

    What is ignored stays so (`nohup`), but for Ctrl-C: it is how submitit stops a job, and a
    command in the background of a script would hand on to its jobs that they ignore it.
    """

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    known = [n for n in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if n]  # not on Windows
    ends = [n for n in known if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in ends}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _local(folder: Path) -> submitit.Executor:
    executor = submitit.LocalExecutor(folder)
    executor.update_parameters(timeout_min=_LOCAL_MINUTES)
    return executor


def _slurm(jobs: Jobs, folder: Path) -> submitit.Executor:
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
    return executor


def _visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES may be set to, a GPU each."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]
