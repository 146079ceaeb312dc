"""Turns whatever the file libraries raise, warn of or print into one line for the user."""

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from crln.errors import CrlnError
from crln.files import reason

FILE_FAULTS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,  # SimpleITK and h5py
    zlib.error,
)

_LOGS = ("nibabel.global", "pydicom")
_lock = Lock()
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
            f"{path}: truncated or not an image; copy or export it again ({reason(error)})"
        ) from error


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
