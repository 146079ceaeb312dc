"""Several processes, one list of cases: each case is taken by one of them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(path: Path, *, wait: bool) -> Iterator[bool]:
    """Holds a claim file while a case is worked on.

    The claim is a lock that the system gives back when its process ends, however it ends: no claim
    of a dead process is ever left behind.

    Args:
        path: the claim file; its folder exists and is shared by the processes.
        wait: for whoever holds it, rather than give up.

    Yields:
        Whether this process has it.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
