"""What a round of learning is told, and what it tells: files that outlive both processes."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from crln.cohort import NEW, Case, Cohort, load_cohort, write_description
from crln.cohort.parts import change_cases, group_of
from crln.errors import CrlnError
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.reviewing.places import ORDER, Places, link
from crln.reviewing.settings import named
from crln.reviewing.state import now

Stage = Literal[
    "waiting", "preparing", "training", "measuring", "outlining", "done", "stopped", "failed"
]

ENDED = ("done", "stopped", "failed")
NO_MODEL = "no round has learnt yet; outline and accept some cases, then learn from them"
_REMEDY = "remove the folder of this round, and learn again"


class Order(BaseModel):
    """What a round is to do.

    Attributes:
        start_from: a run folder to begin with the weights of.
        run: a run folder that outlines without further learning.
        iterations: steps; None: the plan's, or a share of it where there are weights to begin with.
        plan: a plan to follow.
        preset: name of a preset to plan by.
        method: how to learn.
        device: where to compute.
        cache: where prepared scans are kept.
        folds: parts of the labelled cases, each left out by one of as many networks; None: one
            network learns from all.
        labelled: ids of what is learnt from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_from: str | None = None
    run: str | None = None
    iterations: int | None = Field(default=None, ge=1)
    plan: str | None = None
    preset: str | None = None
    method: str = "crln"
    device: str = "auto"
    cache: str | None = None
    folds: int | None = Field(default=None, ge=2)
    labelled: tuple[str, ...] = ()


class RoundProgress(BaseModel):
    """How far a round is.

    Attributes:
        stage: what it does.
        at: when that was written.
        step: steps done.
        steps: in all.
        outlined: scans that have a new mask.
        to_outline: scans that are to get one.
        message: what went wrong, in one line.
        faults: scans that could not be outlined, and why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Stage = "waiting"
    at: str = ""
    step: int = 0
    steps: int = 0
    outlined: int = 0
    to_outline: int = 0
    message: str = ""
    faults: tuple[str, ...] = ()


class Round:
    """The folder of a round.

    Args:
        places: of the project.
        number: from 1.
    """

    def __init__(self, places: Places, number: int) -> None:
        self.places, self.number = places, number
        self.path = places.round(number)

    @property
    def run(self) -> Path:
        """The run folder that it makes."""
        return self.places.run(self.number)

    @property
    def model(self) -> Path:
        """The run folder that outlines: its own, or the one that the project was begun from."""
        given = self.order().run
        return (self.places.path / given) if given else self.run

    @property
    def lock(self) -> Path:
        """Held while a process works on it."""
        return self.path / ".lock"

    @property
    def stop(self) -> Path:
        """Where this file is, it stops after the step that it is in."""
        return self.path / "stop"

    @property
    def log(self) -> Path:
        """The losses, a row at a time; of several networks those of the last to begin."""
        of_members = sorted(self.run.glob("member-*/log.csv"), key=lambda p: p.stat().st_mtime_ns)
        return of_members[-1] if of_members else self.run / "log.csv"

    def order(self) -> Order:
        """What it was told."""
        path = self.path / ORDER
        return checked(read_yaml(path, _REMEDY), Order, path, _REMEDY)

    def progress(self) -> RoundProgress:
        """How far it says that it is."""
        path = self.path / "progress.yaml"
        if not path.exists():
            return RoundProgress()
        return checked(read_yaml(path, _REMEDY), RoundProgress, path, _REMEDY)

    def tell(self, progress: RoundProgress) -> None:
        """Says how far it is."""
        told = progress.model_copy(update={"at": now()})
        write_text(self.path / "progress.yaml", to_yaml(told.model_dump(mode="json")))

    def begin(self, order: Order, cohort: Cohort) -> None:
        """Writes what is to be done; the labels are kept as they are now, whatever comes.

        Args:
            order: what to do; who is labelled is filled in.
            cohort: of the project as it stands.
        """
        cohort = self._frozen(cohort)
        told = order.model_copy(update={"labelled": tuple(c.id for c in cohort.labelled)})
        write_description(cohort, self.path / "cohort.yaml", "What this round learns from.")
        self.tell(RoundProgress())
        write_text(self.path / ORDER, to_yaml(told.model_dump(mode="json")))

    def _frozen(self, cohort: Cohort) -> Cohort:
        """The cohort with labels of its own, where they were made in the project."""
        accepted = (self.places.path / "labels").resolve()

        def kept(case: Case) -> Case:
            label = case.label
            if label is None or not label.path.resolve().is_relative_to(accepted):
                return case
            own = {file: self.path / "labels" / file.resolve().relative_to(accepted)
                   for file in label.files}  # fmt: skip
            for file, target in own.items():
                link(file, target)
            parts = tuple((value, own[file]) for value, file in label.parts)
            return replace(case, label=replace(label, path=own[label.path], parts=parts))

        return change_cases(replace(cohort, root=self.path / "cohort.yaml"), kept)

    def cohort(self) -> Cohort:
        """What it learns from."""
        return load_cohort(self.path / "cohort.yaml", split=NEW)


def begin_round(places: Places, order: Order, cohort: Cohort) -> Round:
    """Makes the next round.

    Raises:
        CrlnError: nothing is accepted that could be learnt from.
    """
    if not cohort.labelled and order.run is None:
        raise CrlnError(
            f"{places.path}: no case is accepted; outline and accept one, then learn from it"
        )
    number = max([0, *places.rounds()]) + 1
    made = Round(places, number)
    made.begin(order, cohort)
    return made


def order_for(places: Places, order: Order, run: Path | None) -> Order:
    """The order with the last model to begin with, if there is one.

    Args:
        places: of the project.
        order: what was asked for.
        run: what the project was begun from.
    """
    for number in reversed(places.rounds()):
        if _has_weights(found := places.run(number)):
            return order.model_copy(update={"start_from": named(found, places)})
    return order.model_copy(update={"start_from": named(run, places) if run else None})


def _has_weights(run: Path) -> bool:
    """Whether another training may begin with a run, or with every member of an ensemble."""
    if (run / "checkpoint.safetensors").exists():
        return True
    members = [path for path in run.glob("member-*") if path.is_dir()]
    return bool(members) and all(
        (path / "checkpoint.safetensors").exists() for path in [run / "member-1", *members]
    )


def possible_folds(cohort: Cohort, folds: int | None) -> int | None:
    """As many parts as are asked for, or as there are labelled groups; None where that is one."""
    groups = len({group_of(case) for case in cohort.labelled})
    found = min(folds or 1, groups)
    return found if found > 1 else None
