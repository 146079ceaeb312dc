"""What is in a file, known again by its path, size and times, so that it is read once."""

import hashlib
import json
import logging
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from crln.errors import CrlnError
from crln.files import checked, read_json, write_text

_log = logging.getLogger("crln")


class _Memory(BaseModel):
    """Of one source.

    Attributes:
        path: of the file, or of the folder of slices.
        stats: of each file: size, time of change in ns, time of change of its entry in ns.
        content: the digest.
    """

    path: str
    stats: list[tuple[int, int, int]]
    content: str


def content_of(path: Path, memory: Path) -> str:
    """A digest of what is in a file, or in the slices of a folder.

    A file is read where it is new, or where its size or one of its times is another than before:
    what keeps its size and its time of change, as a file that was unpacked or synchronised, still
    gets a new entry in its folder. A change of content is told.

    Args:
        path: the file or folder.
        memory: the folder where digests are remembered.

    Raises:
        CrlnError: it cannot be read.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in map(Path.stat, files)]
        name = hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()
        note = memory / name[:2] / f"{name[2:]}.json"
        before = _recall(note)
        if before and before.stats == stats:
            return before.content
        content = " ".join(_digest(file) for file in files)
    except OSError as error:
        raise CrlnError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if before and before.content != content:
        _log.warning("%s: has changed since it was prepared; it is prepared anew", path)
    now = _Memory(path=str(path.resolve()), stats=stats, content=content)
    with suppress(CrlnError):  # what cannot be remembered is read again
        write_text(note, json.dumps(now.model_dump()))
    return content


def _recall(note: Path) -> _Memory | None:
    with suppress(CrlnError):  # damaged: as good as missing
        return checked(read_json(note, ""), _Memory, note, "")
    return None


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
