"""What people have decided about one case, in a file of its own that is written at every click."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from crln.cohort import Slices
from crln.files import checked, read_yaml, to_yaml, write_text

Decided = Literal["new", "correcting", "accepted", "rejected", "skipped"]
Status = Literal["new", "outlined", "correcting", "accepted", "rejected", "skipped"]

MOST_BEFORE = 20
"""Decisions that can be taken back."""

_REMEDY = "restore the file, or remove it to begin with this case anew"
_UNSAFE = re.compile(r'[/\\:*?"<>|%\x00-\x1f]|^\.')


def file_name(case: str) -> str:
    """A name for the files of a case: its id, where that may be a file's name as it is.

    Examples:
        >>> file_name("patient 7"), file_name("../a")
        ('patient 7', '%2E.%2Fa')
    """
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", case)


class Decision(BaseModel):
    """What was decided, and about what.

    Attributes:
        state: "new" before anything is.
        by: whom.
        at: when, local time with its offset (ISO 8601).
        seconds: spent on the case so far.
        run: number of the round whose mask was looked at; None: none of a round's.
        drawing: number of the drawing that holds; None: the mask, or the person's own label.
        changed: voxels in which the drawing differs from the mask that it began with.
        dice: of that mask and the drawing, mean over the structures.
        unknown: voxels that nobody knows.
        volume_ml: of each structure of the drawing, by name; empty where no voxel size is known.
        slices: numbers, along `axis` of the file's voxels, of the only slices that count.
        axis: see `slices`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Decided = "new"
    by: str = ""
    at: str = ""
    seconds: float = Field(default=0, ge=0)
    run: int | None = None
    drawing: int | None = None
    changed: int | None = None
    dice: float | None = None
    unknown: int = 0
    volume_ml: dict[str, float] = Field(default_factory=dict)
    slices: tuple[int, ...] | None = None
    axis: int | None = Field(default=None, ge=0, le=2)

    @property
    def limits(self) -> Slices | None:
        """The slices that count, as a label has them; None: all."""
        return None if self.slices is None else Slices(self.slices, self.axis)


def fields_of(slices: Slices | None) -> dict[str, Any]:
    """The fields of a decision that tell which slices count; see `Decision.limits`."""
    return {} if slices is None else {"slices": slices.at, "axis": slices.axis}


class CaseState(Decision):
    """The file of a case: what holds, and what held before.

    Attributes:
        case: its id.
        version: counts every change; whoever changes the state names the version that they saw.
        note: whatever a person writes.
        before: decisions that can be taken back, the last one last.
    """

    case: str
    version: int = 0
    note: str = ""
    before: tuple[Decision, ...] = ()

    @property
    def decision(self) -> Decision:
        """What holds."""
        return Decision(**{name: getattr(self, name) for name in Decision.model_fields})

    @property
    def drawings(self) -> set[int]:
        """Numbers of the drawings that are still needed."""
        every = (self.drawing, *(one.drawing for one in self.before))
        return {number for number in every if number is not None}

    def with_note(self, note: str) -> Self:
        """The same, with another note."""
        return self._changed(note=note)

    def decided(self, decision: Decision, *, keep: bool = True) -> Self:
        """The state after a decision.

        Args:
            decision: what holds from now on.
            keep: what held before can be taken back to.
        """
        before = (*self.before, self.decision)[-MOST_BEFORE:] if keep else self.before
        return self._changed(**decision.model_dump(), before=before)

    def taken_back(self) -> Self:
        """The state before the last decision, with the seconds that were spent since."""
        *before, last = self.before
        told = last.model_dump() | {"seconds": self.seconds}
        return self._changed(**told, before=tuple(before))

    def _changed(self, **fields: Any) -> Self:
        return self.model_copy(update={**fields, "version": self.version + 1})

    def write(self, path: Path) -> None:
        """Saves it, whole or not at all."""
        write_text(path, to_yaml(self.model_dump(mode="json")))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Opens it; CrlnError where the file is damaged."""
        return checked(read_yaml(path, _REMEDY), cls, path, _REMEDY)


def now() -> str:
    """The time, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
