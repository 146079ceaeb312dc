"""Turns whatever the file libraries raise, warn of or print into one line for the user."""

import logging
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock

from crln.errors import CrlnError, bare_reason

FILE_FAULTS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,  # SimpleITK and h5py
    zlib.error,
)

_LOGS = ("nibabel.global", "pydicom")
_STDERR = 2
_FREELY, _PACKED = 2**24, 1100
"""Voxels that any header may ask for; bytes that one byte of a file can stand for."""
_lock = Lock()
_muters = 0
_screen = -1
_readers = 0
_filters: warnings.catch_warnings | None = None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it, any fault of a file library becomes a CrlnError about `path`; none warns.

    Raises:
        CrlnError: the file is missing, may not be read, or no library can make sense of it; what
            the library says is in the line.
    """
    try:
        path.stat()  # not every library says that a file is missing
        with _quiet():
            yield
    except CrlnError:
        raise
    except FileNotFoundError as error:
        raise CrlnError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise CrlnError(f"{path}: may not be read; check its permissions") from error
    except Exception as error:  # a damaged file can make a library raise anything
        raise CrlnError(
            f"{path}: truncated or not an image; copy or export it again ({bare_reason(error)})"
        ) from error


def check_room(path: Path, shape: Iterable[int], stored: int) -> None:
    """Refuses a header that asks for more voxels than its file can hold, before any is made room.

    Args:
        path: the file.
        shape: of the array, by the header.
        stored: bytes of the file; deflate packs a thousand into one at most.

    Raises:
        CrlnError: it does.
    """
    claimed = prod(int(side) for side in shape)
    if claimed > _FREELY and claimed > _PACKED * stored:
        raise CrlnError(
            f"{path}: truncated or not an image; copy or export it again (its header tells of "
            f"{claimed:.3g} voxels, and it holds {stored} bytes)"
        )


@contextmanager
def muted() -> Iterator[None]:
    """Within it nothing is written to standard error, by whatever library.

    Some of ITK print what they think of a damaged file. Readers in several threads share one mute.
    """
    global _muters, _screen
    with _lock:
        if not _muters:
            _screen = os.dup(_STDERR)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STDERR)
            os.close(nowhere)
        _muters += 1
    try:
        yield
    finally:
        with _lock:
            _muters -= 1
            if not _muters:
                os.dup2(_screen, _STDERR)
                os.close(_screen)


@contextmanager
def _quiet() -> Iterator[None]:
    """Within it no library warns: what is wrong with a file is said in our words.

    Filters of warnings belong to the whole process, and scans are read in threads: the first reader
    sets them, the last one puts them back.
    """
    global _readers, _filters
    with _lock:
        if not _readers:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.simplefilter("ignore")
            _silence(True)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if not _readers and _filters:
                _filters.__exit__(None, None, None)
                _silence(False)


def _silence(silent: bool) -> None:
    for name in _LOGS:
        logging.getLogger(name).disabled = silent
