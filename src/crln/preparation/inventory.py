"""What the cache holds, and how it is emptied."""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crln.preparation.cache import SOURCES, default_cache
from crln.preparation.store import (
    FOREGROUND,
    IMAGE,
    KNOWN,
    LABEL,
    LOCK,
    NOTES,
    PARTIAL,
    read_notes,
)

_OURS = {IMAGE, LABEL, FOREGROUND, KNOWN, NOTES, LOCK}


@dataclass(frozen=True)
class CachedScan:
    """One prepared scan.

    Attributes:
        folder: in the cache.
        scan: the file that it was made from; "" where that is not known.
        plan: the name of the plan that it was made for first, and its spacing in mm.
        bytes: on the disk.
    """

    folder: Path
    scan: str
    plan: str
    bytes: int


def list_cache(cache: Path | str | None = None) -> list[CachedScan]:
    """The prepared scans that trainings keep for the next time, and what is left of others.

    Args:
        cache: the folder; None: where trainings keep them.

    Examples:
        >>> crln.list_cache("new-cache")
        []
    """
    return [_described(folder) for folder in _folders(Path(cache or default_cache()))]


def empty_cache(cache: Path | str | None = None) -> list[CachedScan]:
    """Removes all prepared scans, and nothing else that may lie there; returns what there was.

    Args:
        cache: the folder; None: where trainings keep them.

    Examples:
        >>> len(crln.empty_cache("new-cache"))
        0
    """
    cache = Path(cache or default_cache())
    found = list_cache(cache)
    for scan in found:
        for path in _files(scan.folder):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for folder in (scan.folder, scan.folder.parent):
            with suppress(OSError):  # not empty
                folder.rmdir()
    shutil.rmtree(cache / SOURCES, ignore_errors=True)
    return found


def _folders(cache: Path) -> Iterator[Path]:
    for folder in sorted(cache.glob("??/*")):
        ours = re.fullmatch("[0-9a-f]{2}/[0-9a-f]{30}", folder.relative_to(cache).as_posix())
        if ours and folder.is_dir():
            yield folder


def _files(folder: Path) -> list[Path]:
    """Ours of a folder, and what killed processes have left of them."""
    left = (PARTIAL, "partial-")
    return [p for p in folder.iterdir() if p.name in _OURS or p.name.startswith(left)]


def _described(folder: Path) -> CachedScan:
    notes = read_notes(folder)
    made = notes.made if notes else {}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    spacing = made.get("spacing")
    at = f"{' x '.join(f'{side:g}' for side in spacing)} mm" if spacing else "own spacing"
    plan = f"{made['plan']}, {at}" if "plan" in made else "of none: left over"
    return CachedScan(folder, str(made.get("scan", "")), plan, size)
