"""A cohort that is being finished: what was decided of each case, on disk after every click."""

import getpass
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crln.cohort import Case, Cohort, Slices
from crln.errors import CrlnError
from crln.imaging import read_grid
from crln.reviewing.drawings import keep_drawing
from crln.reviewing.following import cohort_of, follow, mend, write_cohort
from crln.reviewing.masks import Masks
from crln.reviewing.outlines import StandingOutline, agreement, read_values, standing, volumes
from crln.reviewing.places import Places
from crln.reviewing.settings import ProjectSettings
from crln.reviewing.slices import within
from crln.reviewing.state import CaseState, Decided, Decision, Status, fields_of, now

DECISIONS = ("accepted", "rejected", "skipped")


class ConflictError(CrlnError):
    """A case was changed by somebody else since it was looked at."""


class Project:
    """The project in a folder; one process at a time may hold it (`crln.reviewing.opened`).

    What people decided is in `cases/`, a file a case, and nowhere else: `labels/` and
    `cohort.yaml` follow from it and are mended when the project is opened. A drawing and a mask
    are files that never change, and a state names them by number. So whatever ends the process, a
    case is as it was before a click or as it is after it.

    Args:
        path: the folder.
        by: who decides; default this account's name.

    Attributes:
        settling: held while a decision comes into force; to who holds it, states and files agree.

    Raises:
        CrlnError: it is no project, or the data has a fault.
    """

    def __init__(self, path: Path, by: str | None = None) -> None:
        self.places = Places(path)
        self.settings = ProjectSettings.read(self.places)
        self.by = by or _account()
        self.data = self.settings.cohort(self.places)
        self.structures = self.settings.structures
        self.cases = {case.id: case for case in self.data}
        self.masks = Masks(self.places, self.cases)
        self._states: dict[str, CaseState] = {}
        self._locks: dict[str, threading.RLock] = defaultdict(threading.RLock)
        self.settling = threading.Lock()

    @property
    def classes(self) -> dict[int, str]:
        """Label value to name of every structure."""
        return self.structures.names

    def change_settings(self, **fields: Any) -> None:
        """Keeps another choice of the person's, such as `folds`."""
        with self.settling:
            self.settings = self.settings.model_copy(update=fields)
            self.settings.write(self.places)

    def case(self, id: str) -> Case:
        """A case by its id; CrlnError where there is none."""
        if id not in self.cases:
            raise CrlnError(
                f"{self.places.path}: no case {id}; choose one of its {len(self.cases)}"
            )
        return self.cases[id]

    def state(self, id: str) -> CaseState:
        """What was decided of a case; a person's own label counts as accepted."""
        if id not in self._states:
            path = self.places.state(id)
            own = self.case(id).label is not None
            first = CaseState(case=id, state="accepted" if own else "new")
            self._states[id] = CaseState.read(path) if path.exists() else first
        return self._states[id]

    def status(self, id: str) -> Status:
        """In a word; a mask of a later round than the rejected one is to be looked at."""
        state, round = self.state(id), self.masks.round(id)
        waits = state.state == "new" or (state.state == "rejected" and state.drawing is None)
        if waits and round is not None and round > (state.run or 0):
            return "outlined"
        return state.state

    def standing(self, id: str) -> StandingOutline:
        """Which files hold the outline of a case as it stands."""
        last = self.masks.round(id)
        return standing(self.places, self.case(id), self.state(id), last, self.structures)

    def values(self, id: str) -> np.ndarray:
        """The outline as it stands, (X, Y, Z) integers (`structures`) on the scan's grid.

        Around slices that were accepted alone it is the last round's mask, once there is one.
        """
        found, case, state = self.standing(id), self.case(id), self.state(id)
        values = self._read(found, case)
        if found.rest is None:
            return values
        rest = self._read(StandingOutline("mask", found.rest, found.round), case)
        return within(state.limits, values, read_grid(case.images[0]), found.rest.path, rest)

    def _read(self, found: StandingOutline, case: Case) -> np.ndarray:
        scan = case.images[0]
        return read_values(found, scan, read_grid(scan), self.data, self.structures)

    def _volumes(self, values: np.ndarray, case: Case) -> dict[str, float]:
        return volumes(values, read_grid(case.images[0]), self.structures)

    @contextmanager
    def changing(self, id: str, version: int | None) -> Iterator[CaseState]:
        """Holds a case while it is changed.

        Args:
            id: the case.
            version: that was looked at; None: whatever it is.

        Yields:
            Its state.

        Raises:
            ConflictError: it has changed since.
        """
        self.case(id)
        with self._locks[id]:
            state = self.state(id)
            if version is not None and version != state.version:
                raise ConflictError(
                    f"{id}: was changed in another window since you opened it; open it again"
                )
            yield state

    def save(
        self,
        id: str,
        values: np.ndarray,
        *,
        version: int | None = None,
        round: int | None = None,
        seconds: float = 0.0,
        slices: Slices | None = None,
        structure: int | None = None,
    ) -> CaseState:
        """Keeps a drawing; the case is being corrected from here on.

        Args:
            id: the case.
            values: (X, Y, Z) integers, on the scan's grid.
            version: of the case that was drawn on.
            round: whose mask the drawing began with, if with one.
            seconds: spent since the last time.
            slices: the only ones that the person is done with; None: nothing is said of slices.
            structure: of those that overlap the one that `values` is the layer of; the others stay
                as they stand. None: all.
        """
        with self.changing(id, version) as state:
            if structure is not None:
                values = self.structures.with_layer(self.values(id), structure, values)
            begun = state.state == "correcting"
            decision = Decision(
                state="correcting", by=self.by, at=now(), seconds=state.seconds + seconds,
                run=state.run if begun or round is None else round,
                drawing=self._drawn(state, values, structure),
                unknown=int(self.structures.unknown(values).sum()),
                volume_ml=self._volumes(values, self.case(id)), **fields_of(slices),
            )  # fmt: skip
            return self._settle(state.decided(decision, keep=not begun))

    def _drawn(self, state: CaseState, values: np.ndarray, only: int | None = None) -> int:
        """Writes a drawing that is new; its number."""
        id = state.case
        scan = self.case(id).images[0]
        return keep_drawing(
            self.places, state, self.standing(id), values, scan, self.structures, only
        )

    def decide(
        self,
        id: str,
        what: Decided,
        *,
        version: int | None = None,
        round: int | None = None,
        seconds: float = 0.0,
        slices: Slices | None = None,
    ) -> CaseState:
        """Accepts, rejects or skips a case as it stands.

        Args:
            id: the case.
            what: "accepted", "rejected" or "skipped".
            version: of the case that was looked at.
            round: whose mask was looked at, if a mask.
            seconds: spent since the last time.
            slices: the only slices that are accepted; None: those that were done, if any were.

        Raises:
            ConflictError: it has changed since, or a later round has outlined it.
            CrlnError: there is nothing to accept.
        """
        if what not in DECISIONS:
            raise CrlnError(f"{what}: no decision; choose one of {', '.join(DECISIONS)}")
        with self.changing(id, version) as state:
            found = self.standing(id)
            if found.origin == "mask" and round is not None and round != found.round:
                raise ConflictError(f"{id}: round {found.round} has outlined it anew; look at it")
            told: dict[str, Any] = {
                "run": found.round, "drawing": state.drawing, "volume_ml": state.volume_ml,
            }  # fmt: skip
            if what == "accepted":
                told |= self._accepted(id, state, found)
                told |= fields_of(slices or state.limits)
            decision = Decision(
                state=what, by=self.by, at=now(), seconds=state.seconds + seconds,
                unknown=state.unknown, **told,
            )  # fmt: skip
            return self._settle(state.decided(decision))

    def _accepted(self, id: str, state: CaseState, found: StandingOutline) -> dict[str, Any]:
        """The drawing that is accepted, made of the mask where nobody drew, and what it changes."""
        case = self.case(id)
        if found.origin == "nothing":
            raise CrlnError(f"{id}: nothing is outlined; outline it, or skip it")
        if found.origin == "label":
            return {}
        if found.origin != "drawing" or found.rest:
            values = self.values(id)
            same = None if found.round is None else 1.0
            return {
                "drawing": self._drawn(state, values), "changed": 0, "dice": same,
                "volume_ml": self._volumes(values, case),
            }  # fmt: skip
        if state.run is None:
            return {}
        base = self.structures.label(self.places.mask(state.run, id))
        if not all(file.exists() for file in base.files):
            return {}
        before = self._read(StandingOutline("mask", base, state.run), case)
        after = self._read(found, case)
        grid = read_grid(case.images[0])
        before, after = (within(state.limits, v, grid, base.path, 0) for v in (before, after))
        dice = agreement(before, after, self.structures)
        return {"changed": int((before != after).sum()), "dice": dice}

    def undo(self, id: str, version: int | None = None) -> CaseState:
        """Takes the last decision back: what was accepted, rejected or skipped is as before.

        Raises:
            ConflictError: it has changed since.
            CrlnError: nothing was decided.
        """
        with self.changing(id, version) as state:
            if not state.before:
                raise CrlnError(f"{id}: nothing was decided yet; there is nothing to take back")
            return self._settle(state.taken_back())

    def write_note(self, id: str, note: str, version: int | None = None) -> CaseState:
        """Keeps what a person writes about a case."""
        with self.changing(id, version) as state:
            return self._settle(state.with_note(note))

    def _settle(self, state: CaseState) -> CaseState:
        """Writes a state, and then what follows from it."""
        before = self.state(state.case)
        with self.settling:
            state.write(self.places.state(state.case))  # from here on it holds
            self._states[state.case] = state
            follow(self.places, state, self.structures)
            if "accepted" in (before.state, state.state):
                write_cohort(self.places, self.cohort())
        return state

    def mend(self) -> None:
        """Brings `labels/` and `cohort.yaml` in line with the states, whatever ended a process."""
        mend(self.places, {id: self.state(id) for id in self.cases}, self.structures)
        write_cohort(self.places, self.cohort())

    def cohort(self) -> Cohort:
        """The cohort as it stands: what was accepted is labelled."""
        return cohort_of(self.data, self.places, self.state, self.structures)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "somebody"
