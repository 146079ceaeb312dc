"""Everything a resumed training needs, in one file that can run no code."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from crln.cohort import Case, Label
from crln.errors import CrlnError
from crln.files import checked, checksum, read_notes, read_tensors, write_tensors
from crln.methods import Method
from crln.planning import Plan
from crln.preparation import SOURCES, content_of, default_cache

T = TypeVar("T")


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        seconds: spent in steps so far.
        best: the best validation score, if there is a validation split.
        best_step: the steps done when it was reached.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int | None = None


@dataclass(frozen=True)
class Origin:
    """What a checkpoint was learnt by and from, to notice what has changed since.

    Attributes:
        plan: as plain data.
        labels: case id to the SHA-256 of its label.
        scans: case id to a digest of what is in its images.
        drafts: case id to the SHA-256 of its draft, where that may teach.
    """

    plan: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    scans: dict[str, str] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, cases: Sequence[Case], cache: Path | None = None) -> "Origin":
        """Reads the label files of the cases that have one.

        Args:
            plan: what was decided.
            cases: all that are learnt from or validate.
            cache: where their scans were prepared, which knows the content of each.
        """
        labels = {case.id: _content(case.label) for case in cases if case.label}
        known = (cache or default_cache()) / SOURCES
        scans = {
            case.id: " ".join(content_of(image, known) for image in case.images) for case in cases
        }
        drafts = {case.id: _content(case.draft) for case in cases if case.draft and not case.label}
        return cls(plan.model_dump(mode="json"), labels, scans, drafts)

    def changed(self, now: "Origin", *, all_of_it: bool = False) -> list[str]:
        """Which labels and scans are not what they were: "the label of a", ...

        Args:
            now: what there is.
            all_of_it: that is exactly what would be learnt from now, so that what is gone, or new,
                has changed too; else `now` may tell of more cases, and of fewer.
        """
        remembered = (
            ("label", self.labels, now.labels, bool(self.labels)),
            ("scan", self.scans, now.scans, bool(self.scans)),
            ("draft", self.drafts, now.drafts, bool(self.labels)),  # there may have been none
        )
        return [
            f"the {what} of {case}"
            for what, ours, theirs, known in remembered
            for case in (dict.fromkeys((*ours, *theirs)) if known else ())
            if ours.get(case) != theirs.get(case)
            and (all_of_it or (case in ours and case in theirs))
        ]


def _content(label: Label) -> str:
    """The checksums of its files, or of a folder's slices, and what they do not tell."""
    files = [
        file
        for path in label.files
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    return " ".join([*map(checksum, files), *label.limits])


def save_checkpoint(
    path: Path,
    method: Method,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    origin: Origin | None = None,
) -> None:
    """Writes weights, optimiser state and progress beside `path` and renames."""
    tensors = {f"method.{name}": tensor for name, tensor in method.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{index}.{name}"] = value
    notes = {"progress": asdict(progress), "origin": asdict(origin or Origin())}
    write_tensors(path, tensors, {name: json.dumps(note) for name, note in notes.items()})


def read_origin(path: Path) -> tuple[Progress, Origin]:
    """How far a checkpoint is, and of what; an empty origin before it was noted.

    Raises:
        CrlnError: the file is damaged.
    """
    notes = read_notes(path)
    return _noted(path, notes, "progress", Progress), _noted(path, notes, "origin", Origin)


def load_checkpoint(path: Path, method: Method, optimiser: torch.optim.Optimizer) -> Progress:
    """Puts a checkpoint back.

    Raises:
        CrlnError: the file is damaged or belongs to another plan.
    """
    tensors, notes = read_tensors(path)
    weights = method_weights(tensors)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, rest = name.split(".", 1)
        if kind == "optimiser":
            index, key = rest.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
    try:
        method.load_state_dict(weights)
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": state, "param_groups": groups})
    except (RuntimeError, ValueError) as error:
        raise CrlnError(
            f"{path}: this checkpoint is not of this plan; train again without --resume"
        ) from error
    return _noted(path, notes, "progress", Progress)


def _noted(path: Path, notes: dict[str, str], name: str, kind: type[T]) -> T:
    """One of a checkpoint's notes."""
    remedy = "train again without --resume"
    try:
        return checked(json.loads(notes.get(name, "{}")), kind, path, remedy)
    except json.JSONDecodeError as error:
        raise CrlnError(f"{path}: {name}: {error.msg}; {remedy}") from error


def method_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's weights of all networks of the method."""
    start = "method."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }
