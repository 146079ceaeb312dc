"""Several processes, one training: how many there are, and which is which."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from crln.errors import CrlnError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LINE = "torchrun --nnodes {nodes} --nproc-per-node {devices} ... --no-python crln train ..."

T = TypeVar("T")


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
    if "TORCHELASTIC_RUN_ID" in told:
        local = int(told["LOCAL_WORLD_SIZE"])
        return Launch(local, int(told["WORLD_SIZE"]) // local, "torchrun")
    if int(told.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        if "SLURM_NTASKS_PER_NODE" not in told:
            raise CrlnError("srun: say how many processes a node has with --ntasks-per-node")
        return Launch(int(told["SLURM_NTASKS_PER_NODE"]), int(told["SLURM_STEP_NUM_NODES"]), "srun")
    return None


def by_first(fabric: "Fabric", make: Callable[[], T]) -> T:
    """What the first process makes, in every process; all wait for it."""
    return fabric.broadcast(make() if fabric.is_global_zero else cast(T, None))
