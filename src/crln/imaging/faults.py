"""Turns what the file libraries raise into one line for the user."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crln.errors import CrlnError

FILE_FAULTS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,  # SimpleITK and h5py
    zlib.error,
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it, a fault of a file library becomes a CrlnError about `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise CrlnError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise CrlnError(f"{path}: may not be read; check its permissions") from error
    except FILE_FAULTS as error:
        raise CrlnError(f"{path}: truncated or not an image; copy or export it again") from error
