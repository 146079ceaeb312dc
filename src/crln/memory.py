"""Memory that is not given back to the system between steps, and how much there is of it."""

import ctypes
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1
GIB = 2**30
SHARES = {"cpu": 0.75, "cuda": 0.9}
"""Of all memory, that a training may take; the rest is the system's and other programs'."""
LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux tells a container's limit, of either version of its control groups."""


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed, so that a step does not fault its pages in again.

    By default every large tensor is mapped from the system and given back when freed; a training
    step then takes millions of page faults. Call it before torch allocates. Does nothing, and
    returns False, where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, 64 * 2**20))
    return all(mallopt(name, value) == 1 for name, value in settings)


@contextmanager
def uncollected() -> Iterator[None]:
    """Within it Python looks for no garbage, as where much is imported that stays.

    A million objects come with torch, and each look goes through all that are there: an eighth of
    what a prediction takes to start. What is there at the end is not looked through later, either.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def peak_gib() -> float:
    """The most memory that this process has held; children not counted.

    Where the system keeps no such record, what it holds now.
    """
    if usage := _usage():
        # Linux counts in KiB, macOS in bytes.
        return float(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024) / GIB
    now = _process()
    return float(getattr(now, "peak_wset", now.rss)) / GIB


def held_gib() -> float:
    """The memory that this process holds now."""
    return float(_process().rss) / GIB


def installed_gib() -> float:
    """The memory of this machine."""
    import psutil

    return float(psutil.virtual_memory().total) / GIB


def affordable_gib(device: str) -> float:
    """The memory that a training may take: most of a GPU's, or of what this process may use.

    Args:
        device: "cpu", "cuda" or "mps".
    """
    if device == "cuda":
        import torch

        return SHARES[device] * torch.cuda.get_device_properties(0).total_memory / GIB
    return SHARES["cpu"] * min(installed_gib(), allowed_gib())


def allowed_gib(limits: Sequence[Path] = LIMITS) -> float:
    """What a container allows its processes; infinite where there is no limit.

    Args:
        limits: files that may hold it, in bytes.
    """
    found = [path.read_text().strip() for path in limits if path.is_file()]
    return min((int(text) / GIB for text in found if text.isdigit()), default=float("inf"))


def page_faults() -> int:
    """Pages that the system has given to this process so far; 0 where it does not tell."""
    if usage := _usage():
        return int(usage.ru_minflt)  # those that read a disk are counted apart
    return int(getattr(_process(), "num_page_faults", 0))


def _usage() -> Any:
    """What the system has counted of this process; None on Windows, which has no such call."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF)


def _process() -> Any:
    """What psutil tells of this process's memory."""
    import psutil  # not where the command line starts

    return psutil.Process().memory_info()
