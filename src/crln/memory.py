"""Memory that is not given back to the system between steps."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1


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
