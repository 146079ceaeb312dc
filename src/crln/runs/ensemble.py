"""The folder of an ensemble: a run folder a member, and what each of them left out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crln.errors import CrlnError, refuse_newer
from crln.files import checked, read_yaml, to_yaml, write_text
from crln.planning import Plan
from crln.quality import Quality
from crln.runs.folder import ENSEMBLE, FACTS, PLAN, SPLIT, RunFolder, open_run

FORMAT = 1

OUT_OF_FOLD = "out-of-fold"
"""The folder of masks of the cases that members left out, and their figures."""


class Member(BaseModel):
    """One of the trainings.

    Attributes:
        folder: its run folder, in that of the ensemble.
        seed: of every random draw.
        left_out: ids of the labelled cases that it never saw.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str
    seed: int
    left_out: tuple[str, ...] = ()


class _Record(BaseModel):
    """`ensemble.yaml`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: int = FORMAT
    method: str
    folds: int = Field(ge=1)
    members: tuple[Member, ...] = Field(min_length=1)


@dataclass(frozen=True)
class EnsembleFolder:
    """Several trainings on disk that outline scans together.

    Attributes:
        path: the folder.
        plan: what was decided, for all of them.
        method: how each learns.
        folds: how many parts the labelled cases were divided into; 1: none was left out.
        members: the trainings.

    Examples:
        >>> ensemble = crln.open_ensemble("ensemble")
        >>> [len(member.left_out) for member in ensemble.members]
        [2, 2, 2]
    """

    path: Path
    plan: Plan
    method: str
    folds: int
    members: tuple[Member, ...]

    @property
    def split(self) -> Path:
        """The case ids of each part, before a member leaves any out."""
        return self.path / SPLIT

    def folder(self, member: Member) -> Path:
        """The run folder of a member."""
        return self.path / member.folder

    def run(self, member: Member) -> RunFolder:
        """What a member has learnt; CrlnError where it has not begun."""
        return open_run(self.folder(member))

    def done(self, folder: str) -> bool:
        """Whether the member of that folder has come to its end."""
        return (self.path / folder / FACTS).exists() and open_run(self.path / folder).finished

    @property
    def quality(self) -> Quality | None:
        """What the left-out cases tell: the estimate, and how outlines are scored; None: nothing.

        Examples:
            >>> ensemble = crln.open_ensemble("ensemble")
            >>> found = crln.out_of_fold(ensemble, crln.load_cohort("data"), say=str)
            >>> [each.structure for each in ensemble.quality.estimate if each.metric == "dice"]
            ['head', 'tail', 'mean over structures']
        """
        return Quality.read(self.path)

    @property
    def finished(self) -> bool:
        """Whether every member has."""
        return all(self.done(member.folder) for member in self.members)

    def write(self) -> None:
        """Saves the plan, and `ensemble.yaml` last."""
        write_text(self.path / PLAN, self.plan.to_yaml())
        record = _Record(method=self.method, folds=self.folds, members=self.members)
        write_text(self.path / ENSEMBLE, to_yaml(record.model_dump(mode="json")))


def is_ensemble(path: Path) -> bool:
    """Whether a folder is an ensemble's."""
    return (path / ENSEMBLE).is_file()


def open_ensemble(path: Path | str) -> EnsembleFolder:
    """Opens the folder of an ensemble.

    Raises:
        CrlnError: it is none, or its record is damaged or of a newer version.

    Examples:
        >>> crln.open_ensemble("ensemble").folds
        3
    """
    path = Path(path)
    if not is_ensemble(path):
        raise CrlnError(f"{path}: no ensemble; give the folder that `crln train --folds` wrote")
    file, remedy = path / ENSEMBLE, "restore the folder"
    content: dict[str, Any] = checked(read_yaml(file, remedy), dict[str, Any], file, remedy)
    refuse_newer(file, content, FORMAT)
    record = checked(content, _Record, file, remedy)
    return EnsembleFolder(path, Plan.read(path / PLAN), record.method, record.folds, record.members)


def predicting_runs(path: Path) -> list[RunFolder]:
    """The members of an ensemble, or the one run that the folder is.

    Raises:
        CrlnError: the folder is neither, or a member has not begun.
    """
    if not is_ensemble(path):
        return [open_run(path)]
    ensemble = open_ensemble(path)
    return [ensemble.run(member) for member in ensemble.members]


def known_quality(path: Path) -> Quality | None:
    """What left-out cases tell of the outlines of a run, an ensemble, or a member of one."""
    own = Quality.read(path)
    beside = path.resolve().parent
    return Quality.read(beside) if own is None and is_ensemble(beside) else own
