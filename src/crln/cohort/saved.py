"""Splits in files: a run's, one that stays beside the data, and nnU-Net's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from crln.cohort.case import Case, Cohort
from crln.cohort.groups import group_by
from crln.cohort.listing import repeated
from crln.cohort.parts import PARTS, check_groups, without_labels
from crln.cohort.words import Words
from crln.errors import CrlnError
from crln.files import checked, read_json, read_yaml, to_yaml, write_text

SPLIT = "split.yaml"
"""Of a run folder, and beside the data."""

_REMEDY = "give a split that a run saved, or nnU-Net's splits_final.json"
_NOTE = "# These cases stay test cases in later commands; `--split new` draws without this file.\n"


class _Saved(BaseModel):
    """What a split's file may say; a part that it leaves out is not decided."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    labelled: list[str] | None = None
    unlabelled: list[str] | None = None
    validation: list[str] | None = None
    test: list[str] | None = None
    group: str | None = None


class _Fold(BaseModel):
    """One of nnU-Net's."""

    train: list[str]
    val: list[str]


@dataclass(frozen=True)
class Split:
    """A split as a file tells it.

    Attributes:
        path: the file.
        parts: part to ids, of the parts that it decides.
        group: the pattern on names that its groups were drawn by.
    """

    path: Path
    parts: dict[str, tuple[str, ...]]
    group: str | None = None

    def of(self, part: str) -> tuple[str, ...]:
        """The ids of a part."""
        return self.parts.get(part, ())


def open_split(given: Path | str) -> Split:
    """Reads a split.

    Args:
        given: a run folder, a `split.yaml`, or `splits_final.json@K` for nnU-Net's fold K, whose
            `val` cases are the test.

    Raises:
        CrlnError: there is none, it cannot be read, or names a case twice.
    """
    name, at, fold = str(given).rpartition("@")
    number = int(fold) if at and fold.isdigit() and not Path(given).exists() else None
    path = Path(given) if number is None else Path(name)
    if path.is_dir():
        path = path / SPLIT
    if not path.is_file():
        raise CrlnError(f"{path}: no such split; {_REMEDY}")
    if path.suffix == ".json":
        found = _fold(path, number)
    else:
        saved = checked(read_yaml(path, _REMEDY, Words), _Saved, path, _REMEDY)
        told = {part: getattr(saved, part) for part in PARTS}
        parts = {part: tuple(ids) for part, ids in told.items() if ids is not None}
        found = Split(path, parts, saved.group)
    if twice := repeated(id for part in found.parts.values() for id in part):
        raise CrlnError(f"{path}: names case {twice} twice; remove one")
    return found


def _fold(path: Path, number: int | None) -> Split:
    folds = checked(read_json(path, _REMEDY), list[_Fold], path, _REMEDY)
    if number is None or number >= len(folds):
        raise CrlnError(f"{path}: has folds 0 to {len(folds) - 1}; give one, like {path}@0")
    fold = folds[number]
    return Split(path, {"labelled": tuple(fold.train), "test": tuple(fold.val)})


def write_held(path: Path, cohort: Cohort) -> None:
    """Writes the test cases of a split, and the pattern of its groups; CrlnError if it cannot."""
    write_text(path, _NOTE + _yaml(cohort, ["test"]), overwrite=False)


def save_split(cohort: Cohort, path: Path) -> None:
    """Writes the ids of each part as YAML, over what was there.

    Raises:
        CrlnError: the file cannot be written.
    """
    write_text(path, _yaml(cohort, PARTS))


def _yaml(cohort: Cohort, parts: Sequence[str]) -> str:
    told: dict[str, object] = {part: [case.id for case in getattr(cohort, part)] for part in parts}
    if cohort.grouping:
        told["group"] = cohort.grouping
    return to_yaml(told)


def read_split(path: Path) -> dict[str, list[str]]:
    """The ids of each part of a saved split.

    Raises:
        CrlnError: the file cannot be read, or leaves out a part.
    """
    return _all_parts(open_split(path))


def _all_parts(split: Split) -> dict[str, list[str]]:
    if missing := [part for part in PARTS if part not in split.parts]:
        raise CrlnError(f"{split.path}: {missing[0]}: is missing; give a split that a run saved")
    return {part: list(split.of(part)) for part in PARTS}


def apply_split(cohort: Cohort, path: Path) -> Cohort:
    """The same cohort in the parts, and the order, of a saved split.

    Cases that the split does not name are left out.

    Raises:
        CrlnError: the file cannot be read; a case is named twice, is not in the cohort, or has no
            label where it needs one; a group lies on both sides.
    """
    split = open_split(path)
    ids = _all_parts(split)
    if split.group and not cohort.grouping:
        cohort = group_by(cohort, split.group)
    cases = {case.id: case for case in cohort}
    for part in PARTS:
        for id in ids[part]:
            check_case(path, cohort, part, cases.get(id), id)
    labelled, unlabelled, validation, test = (
        tuple(cases[id] for id in ids[part]) for part in PARTS
    )
    parts = replace(
        cohort,
        labelled=labelled,
        unlabelled=without_labels(unlabelled),
        validation=validation,
        test=test,
    )
    check_groups(parts)
    return parts


def check_case(path: Path, cohort: Cohort, part: str, case: Case | None, id: str) -> None:
    """Refuses a split that names a case that is not there, or lacks the label that it needs."""
    if case is None:
        raise CrlnError(f"{path}: names case {id}, which {cohort.root} has not; restore the scan")
    if part in ("labelled", "validation") and case.label is None:
        raise CrlnError(
            f"{path}: case {id} is for {part}, but {cohort.root} has no label of it; restore the "
            "label"
        )
