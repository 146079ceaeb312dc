"""Which files a training opened, and whether a test label was among them.

Python tells of every file that it opens itself (`sys.addaudithook`, PEP 578). The libraries behind
NRRD, MetaImage and h5 open files without Python, so `crln.imaging` tells of what it reads, and of
which dataset of an h5 archive, by audit events of its own. `crln.preparation` tells of labels whose
prepared copies it finds in its cache: they count as the label.
"""

import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pydantic import BaseModel

from crln.cohort import Case
from crln.errors import CrlnError
from crln.files import checked, read_json, write_text
from crln.imaging import is_archive

RECORD = "opened.jsonl"
FINDING = "opened-test-labels.json"
"""What the record says of a comparison's test labels; needs no path, so it can be shared."""
READ_EVENT = "crln.read"
"""The audit event of both rooms: a path, and "header", "image" or "label"."""

_UNRECORDED = "a session before this record"
_CODE = (".py", ".pyc", ".so")


class Recorder:
    """Writes each file that this process opens to the run folder, once, as it is opened.

    The record is appended to, so that it covers every session of a training that was cut off. It
    starts once the folder holds a run; what was opened before that is written then.

    Args:
        folder: the run folder of the training that this process is for.
    """

    def __init__(self, folder: Path) -> None:
        self.path = os.path.abspath(folder / RECORD)
        self.begun = folder / "run.yaml"
        self._seen: set[tuple[str, str]] = set()
        self._waiting: list[tuple[str, str]] = []
        self._file: IO[str] | None = None
        self._lock = threading.Lock()
        self._listening = False

    def __enter__(self) -> "Recorder":
        if self.begun.exists() and not os.path.exists(self.path):
            self._note(_UNRECORDED, "")
        sys.addaudithook(self._hear)  # for the life of the process: no hook can be taken away
        self._listening = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening = False
        if self._file is not None:
            self._file.close()

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._listening or event not in ("open", READ_EVENT):
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str | os.PathLike):  # a file that is open already, by its number
            return
        path = os.path.abspath(path)
        if path != self.path and not path.endswith(_CODE):
            self._note(arguments[1] if event == READ_EVENT else "open", path)

    def _note(self, how: str, path: str) -> None:
        with self._lock:
            if (how, path) in self._seen:
                return
            self._seen.add((how, path))
            self._waiting.append((how, path))
            if self._file is None and self.begun.exists():
                self._file = open(self.path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
            if self._file is not None:
                for line in self._waiting:
                    self._file.write(json.dumps(line) + "\n")
                self._waiting.clear()


def opened_labels(folder: Path, cases: Sequence[Case]) -> list[str] | None:
    """The ids of those `cases` whose label the training in `folder` opened.

    What is found is kept in the folder, and counts where the record itself has been taken away.

    Returns:
        Sorted ids; None where the training, or a session of it, was not recorded.

    Raises:
        CrlnError: the record is damaged.
    """
    record = folder / RECORD
    if not record.exists():
        return _found_before(folder / FINDING, {case.id for case in cases})
    opened = _read(record, cases)
    if opened is not None:
        found = {"cases": sorted(case.id for case in cases), "opened": opened}
        write_text(folder / FINDING, json.dumps(found, indent=1) + "\n")
    return opened


class _Finding(BaseModel):
    """The ids that were looked for, and those whose label was opened."""

    cases: set[str]
    opened: set[str]


def _found_before(path: Path, cases: set[str]) -> list[str] | None:
    """What an earlier look at the record found; None if it did not look for all `cases`."""
    if not path.exists():
        return None
    remedy = "restore it or train the cell anew"
    found = checked(read_json(path, remedy), _Finding, path, remedy)
    return sorted(found.opened & cases) if cases <= found.cases else None


def _read(record: Path, cases: Sequence[Case]) -> list[str] | None:
    among = {case.id for case in cases if case.label and case.label.path.parent in case.images}
    labels = {
        os.path.realpath(path): case.id for case in cases if case.label for path in case.label.files
    }
    found = set()
    try:
        # A line that was cut off with its process is the last of its session: nothing followed it.
        for line in record.read_text(encoding="utf-8").splitlines():
            if not line.endswith("]"):
                continue
            how, path = json.loads(line)
            if how == _UNRECORDED:
                return None
            case = labels.get(os.path.realpath(path))
            # An h5 archive holds scan and label: only its dataset "label" is the label. An outline
            # among the slices of a series is looked at to tell that it is none of them.
            if case and (how == "label" or not (is_archive(Path(path)) or case in among)):
                found.add(case)
    except (OSError, ValueError) as error:
        raise CrlnError(
            f"{record}: damaged; remove {record.parent} to train this cell anew"
        ) from error
    return sorted(found)
