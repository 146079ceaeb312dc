"""The same work in several processes, which torch starts and watches; a fault in one ends all."""

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.queues import SimpleQueue
from typing import Any, NoReturn

import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from torch import nn
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from crln.errors import CrlnError, Interrupted
from crln.memory import keep_freed_memory
from crln.parallel.launch import Launch

PATIENCE = timedelta(days=1)
"""How long processes wait for each other: for scans to be prepared, for a validation."""

PRECEDENCE = 1.0
"""Seconds for which a process that lost another holds back, so that the cause is seen first."""

Work = Callable[[Fabric], object]
Faults = SimpleQueue[Exception]
Ended = dict[int, str | None]
"""By process: what it said when it was interrupted; None: it did all its work."""


def run_processes(work: Work, launch: Launch, **settings: Any) -> None:
    """Does `work` in every process of a launch, and returns when all have done it.

    Processes that nobody has started yet are started here; this one then only watches them. Ctrl-C
    reaches them from the terminal, and SIGTERM through this one: they end as their work does it.

    Args:
        work: what each does, given its Fabric; it must be picklable.
        launch: from `find_launch`.
        settings: of Fabric: accelerator and precision.

    Raises:
        CrlnError: a process died, or raised one; no other process is left running.
        Interrupted: the work was, by a signal, and saved what it had.
    """
    if launch.by:
        _take_part(work, launch, settings)
        return
    faults: Faults = multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="crln-") as notes, _quiet(), _signal_handed_on() as got:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=launch.count, run_id="crln",
            rdzv_backend="c10d", rdzv_endpoint="localhost:0", local_addr="localhost",
            max_restarts=0, monitor_interval=0.1, logs_specs=DefaultLogsSpecs(log_dir=notes),
        )  # fmt: skip
        # In a thread: in the main one it would take Ctrl-C to itself and end what is being saved.
        with ThreadPoolExecutor(1) as watching:
            ended = watching.submit(elastic_launch(config, _start), work, launch, settings, faults)
            interrupted = _result_of(ended, launch, faults)
    if interrupted is not None:
        raise Interrupted(interrupted, got[0] if got else signal.SIGINT)


def _result_of(ended: "Future[Ended]", launch: Launch, faults: Faults) -> str | None:
    """What interrupted processes said; None: they did all their work; raises why one failed."""
    try:
        try:
            outcomes = ended.result()
        except KeyboardInterrupt:  # theirs too: they finish the step and save; once more ends them
            outcomes = ended.result()
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise CrlnError(
                f"process {rank} of {launch.count} died ({failure.signal_name()}); if memory ran "
                "out, use fewer --devices; go on with --resume"
            ) from None
        if faults.empty():
            raise KeyboardInterrupt from None
        raise faults.get() from None
    return outcomes[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences torch's log of what it watches; this process has nothing else to log."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _signal_handed_on() -> Iterator[list[int]]:
    """SIGTERM is a Ctrl-C for the started processes; gives what has come so far."""
    got: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield got  # signals are the main thread's
        return

    def hand_on(number: int, frame: object) -> None:
        got.append(number)
        for process in multiprocessing.active_children():
            if process.pid:
                os.kill(process.pid, signal.SIGINT)

    before = signal.signal(signal.SIGTERM, hand_on)
    try:
        yield got
    finally:
        signal.signal(signal.SIGTERM, before)


def _start(work: Work, launch: Launch, settings: dict[str, Any], faults: Faults) -> str | None:
    """A started process, told its place by torch; faults go to the one that watches."""
    keep_freed_memory()  # before torch allocates anything
    signal.signal(signal.SIGTERM, lambda *_: _end_at_once())  # torch's, when another has failed
    try:
        _take_part(work, launch, settings)
    except Interrupted as end:
        return str(end)
    except KeyboardInterrupt:
        _end_at_once()
    except Exception as fault:
        place = f"{os.environ['RANK']} of {launch.count}"
        fault.add_note(f"in process {place}:\n{traceback.format_exc()}")
        if not isinstance(fault, CrlnError):
            time.sleep(PRECEDENCE)
        faults.put(fault)
        _end_at_once()
    return None


def _end_at_once() -> NoReturn:
    """Ends a process whose group may be broken: no thread of it is waited for, none can abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _take_part(work: Work, launch: Launch, settings: dict[str, Any]) -> None:
    """Joins the others and does the work."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    environment: ClusterEnvironment = (
        SLURMEnvironment() if launch.by == "srun" else TorchElasticEnvironment()
    )
    fabric = Fabric(
        devices=launch.devices, num_nodes=launch.nodes, strategy=_Apart(timeout=PATIENCE),
        plugins=[environment], **settings,
    )  # fmt: skip
    fabric.launch()
    interrupted = None
    try:
        work(fabric)
    except Interrupted as end:
        interrupted = end
    dist.destroy_process_group()  # gloo's threads, if left to Python's end, may abort it
    if interrupted:
        raise interrupted


class _Apart(DDPStrategy):
    """Processes that the training itself keeps alike (`crln.parallel.share`)."""

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """The module as it is."""
        return module
