"""Memory that is not given back to the system between steps, and how much there is of it."""

import ctypes
import sys
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1
GIB = 2**30


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
