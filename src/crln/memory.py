"""Memory that is not given back to the system between steps, and how much there is of it."""

import ctypes
import os
import resource
import sys
from pathlib import Path

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
    """The most memory that this process has held; children not counted."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB


def held_gib() -> float:
    """The memory that this process holds now; where the system does not tell, the most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return peak_gib()
    return pages * resource.getpagesize() / GIB


def installed_gib() -> float:
    """The memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * resource.getpagesize() / GIB


def page_faults() -> int:
    """Pages that the system has given to this process so far, without reading a disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
