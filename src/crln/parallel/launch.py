"""Several processes, one training: who starts them, which is which, how a fault in one ends all."""

import logging
import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from signal import Signals
from typing import Any, NoReturn, TypeVar, cast

import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from torch import nn
from torch.multiprocessing import start_processes

from crln.errors import CrlnError
from crln.memory import keep_freed_memory

PATIENCE = timedelta(days=1)
"""How long processes wait for each other: for scans to be prepared, for a validation."""

LINE = "torchrun --nnodes {nodes} --nproc-per-node {devices} ... --no-python crln train ..."

T = TypeVar("T")
Work = Callable[[Fabric], object]


@dataclass(frozen=True)
class Launch:
    """The processes of a training.

    Attributes:
        devices: processes on each node, each with a device of its own.
        nodes: machines.
        by: what started them, "torchrun" or "srun"; None: they are yet to be started.
    """

    devices: int = 1
    nodes: int = 1
    by: str | None = None

    @property
    def count(self) -> int:
        """Of all processes."""
        return self.devices * self.nodes


def find_launch(devices: int | None, nodes: int | None) -> Launch:
    """What is asked for, or what torchrun or srun has started already.

    Args:
        devices: processes per node; None: as many as there are, or one.
        nodes: machines; None: as many as there are, or one.

    Raises:
        CrlnError: not what has been started, or several nodes and nothing has been started.
    """
    found = _started()
    if found is None:
        asked = Launch(devices or 1, nodes or 1)
        if asked.nodes > 1:
            line = LINE.format(nodes=asked.nodes, devices=asked.devices)
            raise CrlnError(f"--nodes {asked.nodes}: start it on every node with srun, or: {line}")
        return asked
    for name, ours, theirs in (
        ("devices", devices, found.devices), ("nodes", nodes, found.nodes),
    ):  # fmt: skip
        if ours not in (None, theirs):
            raise CrlnError(f"--{name} {ours}: {found.by} has started {theirs}; leave it out")
    return found


def is_first() -> bool:
    """Whether this process is the one that talks: the only one, or the first of torchrun's."""
    by = _started()
    return by is None or os.environ["RANK" if by.by == "torchrun" else "SLURM_PROCID"] == "0"


def _started() -> Launch | None:
    """The processes that this one is one of, from what torchrun or srun told it."""
    told = os.environ
    if dist.is_torchelastic_launched():
        local = int(told["LOCAL_WORLD_SIZE"])
        return Launch(local, int(told["WORLD_SIZE"]) // local, "torchrun")
    if int(told.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        if "SLURM_NTASKS_PER_NODE" not in told:
            raise CrlnError("srun: say how many processes a node has with --ntasks-per-node")
        return Launch(int(told["SLURM_NTASKS_PER_NODE"]), int(told["SLURM_STEP_NUM_NODES"]), "srun")
    return None


def run_processes(work: Work, launch: Launch, **settings: Any) -> None:
    """Does `work` in every process of a launch, and returns when all have done it.

    Processes that nobody has started yet are started here; this one then only watches them.

    Args:
        work: what each does, given its Fabric; it must be picklable.
        launch: from `find_launch`.
        settings: of Fabric: accelerator and precision.

    Raises:
        CrlnError: a process died, or raised one; no other process is left running.
    """
    if launch.by:
        _take_part(work, launch, settings)
        return
    faults: SimpleQueue[Exception] = multiprocessing.get_context("spawn").SimpleQueue()
    arguments = (work, launch, settings, _free_port(), faults)
    processes = start_processes(
        _start, arguments, launch.count, join=False, start_method="spawn"
    ).processes
    try:
        _watch(processes, faults)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _watch(processes: Sequence[SpawnProcess], faults: "SimpleQueue[Exception]") -> None:
    """Waits until all have ended well; raises why one has not."""
    running = {process.sentinel: process for process in processes}
    while running:
        ended = [running.pop(cast(int, sentinel)) for sentinel in wait(list(running))]
        for process in ended:
            process.join()  # until then its exit code may not be known
        if not any(process.exitcode for process in ended):
            continue
        # A process that lost another raises, too: whoever was killed comes first.
        for rank, process in enumerate(processes):
            signal = -(process.exitcode or 0)
            if signal > 0:
                raise CrlnError(
                    f"process {rank} of {len(processes)} died ({Signals(signal).name}); if memory "
                    "ran out, use fewer --devices; go on with --resume"
                )
        if faults.empty():
            raise RuntimeError(f"exit codes {[process.exitcode for process in processes]}")
        raise faults.get()


def _start(
    rank: int,
    work: Work,
    launch: Launch,
    settings: dict[str, Any],
    port: int,
    faults: "SimpleQueue[Exception]",
) -> None:
    """A started process: told its place as torchrun would; faults go to the one that watches."""
    keep_freed_memory()  # before torch allocates anything
    place = {
        "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0,
        "WORLD_SIZE": launch.count, "LOCAL_WORLD_SIZE": launch.count,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip
    os.environ.update({name: str(value) for name, value in place.items()})
    try:
        _take_part(work, launch, settings)
    except Exception as fault:
        fault.add_note(f"in process {rank} of {launch.count}:\n{traceback.format_exc()}")
        faults.put(fault)
        _end_at_once()
    except KeyboardInterrupt:
        _end_at_once()


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
    work(fabric)
    dist.destroy_process_group()  # gloo's threads, if left to Python's end, may abort it


class _Apart(DDPStrategy):
    """Processes that the training itself keeps alike (`crln.parallel.rows`)."""

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        """The module as it is."""
        return module


def by_first(fabric: Fabric, make: Callable[[], T]) -> T:
    """What the first process makes, in every process; all wait for it."""
    return fabric.broadcast(make() if fabric.is_global_zero else cast(T, None))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
