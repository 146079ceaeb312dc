"""Learning again while a person goes on: started, followed and stopped by the server."""

import csv
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crln.errors import CrlnError
from crln.files import claim
from crln.jobs import Jobs, run_tasks
from crln.reviewing.project import Project
from crln.reviewing.rounds import (
    ENDED,
    NO_MODEL,
    Order,
    Round,
    RoundProgress,
    begin_round,
    order_for,
    possible_folds,
)
from crln.reviewing.settings import resolved

MOST_POINTS = 200
"""Of the curve that the page draws."""
MOST_FOLDS = 10
_PATIENCE = 60.0


class Wish(BaseModel):
    """What a person asks for.

    Attributes:
        iterations: steps; None: as the plan has it, or a share of that.
        go_on: with the round that was stopped, rather than begin another.
        folds: parts of the labelled cases that are left out in turn, from now on; 0: none are;
            None: as before.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    iterations: int | None = Field(default=None, ge=1, le=10_000_000)
    go_on: bool = False
    folds: int | None = Field(default=None, ge=0, le=MOST_FOLDS)


def do_round(folder: Path, number: int) -> None:
    """A round, in the process that it runs in: what learns is loaded there alone."""
    from crln.reviewing.work import lower_priority, work

    lower_priority()
    work(folder, number)


def do_case(folder: Path, case: str) -> None:
    """One outline, in the process that it is made in."""
    from crln.reviewing.work import lower_priority, outline_alone

    lower_priority()
    try:
        outline_alone(folder, case)
    except CrlnError as fault:
        raise SystemExit(str(fault)) from None  # its last line, for who asked


@dataclass
class Learning:
    """The rounds of a project.

    Attributes:
        project: held by this process.
        usual: what a round is told unless somebody asks for something else.
        jobs: where it runs: a process here, or Slurm.
        do: the work, for tests.
        do_one: the outline of one case, for tests.
    """

    project: Project
    usual: Order = field(default_factory=Order)
    jobs: Jobs = field(default_factory=Jobs)
    do: Callable[[Path, int], None] = do_round
    do_one: Callable[[Path, str], None] = do_case
    _thread: threading.Thread | None = field(default=None, init=False)
    _starting: threading.Lock = field(default_factory=threading.Lock, init=False)
    _outlining: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def last(self) -> Round | None:
        """The last round that was begun."""
        numbers = self.project.places.rounds()
        return Round(self.project.places, numbers[-1]) if numbers else None

    def running(self) -> bool:
        """Whether a process is at work: ours, or one that outlived the server before."""
        if self._thread and self._thread.is_alive():
            return True
        if self.last is None or not self.last.lock.exists():
            return False
        with claim(self.last.lock, wait=False) as free:
            return not free

    def start(self, wish: Wish) -> dict[str, Any]:
        """Begins a round with what is accepted now, or goes on with the one that was stopped.

        Raises:
            CrlnError: one is at work already, nothing is accepted, or none was stopped.
        """
        with self._starting:
            if self.running():
                raise CrlnError("it is learning already; stop that first, or wait for it")
            round = self._stopped() if wish.go_on else self._begun(wish)
            round.stop.unlink(missing_ok=True)
            self._run(round)
        return self.status()

    def outline_with(self, run: Path) -> None:
        """Outlines with a run that there is already, as the first round."""
        with self._starting:
            order = self.usual.model_copy(update={"run": str(run.resolve())})
            with self.project.settling:
                round = begin_round(self.project.places, order, self.project.cohort())
            self._run(round)

    @property
    def has_model(self) -> bool:
        """Whether some round may outline, ended or not; one that did not learn enough may not."""
        rounds = [Round(self.project.places, n) for n in self.project.places.rounds()]
        return any(round.order().run or _has_learnt(round) for round in rounds)

    def outline_one(self, id: str) -> None:
        """Has the last model outline a case that has no outline, and waits for it.

        Raises:
            CrlnError: there is no model yet, or the scan cannot be outlined.
        """
        places = self.project.places
        with self._outlining:  # one at a time
            if self.project.standing(id).origin != "nothing":
                return
            if not self.has_model:
                raise CrlnError(NO_MODEL)
            folder = places.shown / "outlining"
            task = {"case": partial(self.do_one, places.path.resolve(), id)}
            run_tasks(task, Jobs(here=self.jobs.here), folder, lambda name, printed: None)
            if self.project.masks.round(id) is None:
                log = folder / "case.log"
                said = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
                why = next((line for line in reversed(said) if line.strip()), "its process ended")
                raise CrlnError(f"{id}: cannot be outlined: {why}")

    def _stopped(self) -> Round:
        last = self.last
        if last is None or last.progress().stage == "done":
            raise CrlnError("no round was stopped; begin another")
        return last

    def _begun(self, wish: Wish) -> Round:
        if wish.folds is not None:
            self.project.change_settings(folds=wish.folds if wish.folds > 1 else None)
        places, settings = self.project.places, self.project.settings
        given, told = settings.run, {"iterations": wish.iterations} if wish.iterations else {}
        order = self.usual.model_copy(update=told)
        order = order_for(places, order, resolved(given, places) if given else None)
        with self.project.settling:  # every label that is kept is of one state of its case
            cohort = self.project.cohort()
            folds = possible_folds(cohort, settings.folds)
            return begin_round(places, order.model_copy(update={"folds": folds}), cohort)

    def _run(self, round: Round) -> None:
        round.tell(round.progress().model_copy(update={"stage": "waiting", "message": ""}))
        self._thread = threading.Thread(target=self._follow, args=(round,), daemon=True)
        self._thread.start()

    def _follow(self, round: Round) -> None:
        """Has a round done, and waits for its end."""
        task = {"round": partial(self.do, round.places.path.resolve(), round.number)}
        try:
            run_tasks(task, self.jobs, round.path / "jobs", lambda name, printed: None)
        except CrlnError as fault:  # no process has begun: Slurm is not there
            end = {"stage": "failed", "message": str(fault)}
            round.tell(round.progress().model_copy(update=end))

    def stop(self) -> dict[str, Any]:
        """Asks the round to stop after the step that it is in; what was done stays."""
        if (last := self.last) and self.running():
            last.stop.touch()
        return self.status()

    def close(self) -> None:
        """Asks to stop, and waits until it has."""
        self.stop()
        if self._thread:
            self._thread.join(_PATIENCE)

    def status(self) -> dict[str, Any]:
        """How far the last round is, for the page."""
        last = self.last
        if last is None:
            return {"round": 0, "stage": "none", "running": False}
        running, progress = self.running(), last.progress()
        if not running and progress.stage not in ENDED:
            progress = self._ended(last, progress)
        rows, order = curve(last.log), last.order()
        return {
            "round": last.number,
            "running": running,
            "stopping": running and last.stop.exists(),
            **progress.model_dump(mode="json"),
            "labelled": len(order.labelled),
            "folds": order.folds,
            "curve": rows,
            "left": _left(rows, progress),
        }

    def _ended(self, round: Round, progress: RoundProgress) -> RoundProgress:
        """Of a round whose process ended without a word."""
        said = round.path / "jobs" / "round.log"
        message = f"the process ended; {said} has what it said"
        return progress.model_copy(update={"stage": "failed", "message": message})


def curve(log: Path) -> list[dict[str, float]]:
    """Steps, their loss and the seconds that each took; evenly thinned out."""
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return []
    wanted = ("step", "total", "seconds")
    found = [
        {name: float(row[name]) for name in wanted if row.get(name)} for row in rows if row["step"]
    ]
    thin = max(1, len(found) // MOST_POINTS)
    return [*found[::thin], *(found[-1:] if len(found) % thin != 1 and thin > 1 else [])]


def _left(rows: list[dict[str, float]], progress: RoundProgress) -> float | None:
    """Seconds of training that are left, at the pace of the last rows."""
    recent = [row["seconds"] for row in rows[-5:] if "seconds" in row]
    if progress.stage != "training" or not recent:
        return None
    return (progress.steps - progress.step) * sum(recent) / len(recent)


def _has_learnt(round: Round) -> bool:
    """Whether its own model is whole, as far as files tell that are read without PyTorch."""
    progress = round.progress()
    outlined = progress.stage in ("outlining", "done") or progress.to_outline > 0
    return outlined and round.run.exists()
