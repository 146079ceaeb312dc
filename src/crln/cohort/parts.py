"""Sorts cases into training, validation and test by the lists beside them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crln.cohort.case import Case, Cohort, Slices
from crln.cohort.listing import read_list
from crln.errors import CrlnError
from crln.imaging import nearest

PARTS = ("labelled", "unlabelled", "validation", "test")

_PART_OF = {"train.list": "train", "val.list": "validation", "test.list": "test"}
_EVAL = "eval.list"


def find_lists(folders: Iterable[Path]) -> dict[str, Path]:
    """The list of each part ("train", "validation", "test"), from the first folder that has it.

    `eval.list` is the test part; beside a `test.list`, the validation part.

    Raises:
        CrlnError: `eval.list` lies beside both others, so that its part is unclear.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for name in (*_PART_OF, _EVAL):
            if (folder / name).is_file():
                found.setdefault(name, folder / name)
    lists = {part: found[name] for name, part in _PART_OF.items() if name in found}
    if _EVAL in found:
        part = "validation" if "test" in lists else "test"
        if part in lists:
            raise CrlnError(f"{found[_EVAL]}: val.list and test.list exist too; remove one of them")
        lists[part] = found[_EVAL]
    return lists


def sort_into_parts(cohort: Cohort, cases: Mapping[str, Case], lists: Mapping[str, Path]) -> Cohort:
    """Fills the parts of an empty cohort.

    A case on no list is a training case; where there is a train.list, it is left out.

    Args:
        cohort: root, layout and names.
        cases: by id, in the order of the training cases where no list gives one.
        lists: list file by part.

    Raises:
        CrlnError: there is no case; a list names an unknown case, or one that another list names
            too; a validation case has no label.
    """
    if not cases:
        raise CrlnError(f"{cohort.root}: no scan found; put scans there, or check the path")
    listed: dict[str, list[str]] = {}
    owner: dict[str, Path] = {}
    for part, path in lists.items():
        listed[part] = read_list(path)
        for id in listed[part]:
            if id not in cases:
                near = nearest(id, cases)
                raise CrlnError(
                    f"{path}: names case {id}, of which there is no scan; add it or remove the line"
                    + (f", or write {near}" if near else "")
                )
            if id in owner:
                raise CrlnError(f"{path}: names case {id}, and so does {owner[id]}; remove one")
            owner[id] = path
    chosen = {part: tuple(cases[id] for id in ids) for part, ids in listed.items()}
    training = chosen.get("train", tuple(case for id, case in cases.items() if id not in owner))
    for case in chosen.get("validation", ()):
        if case.label is None:
            raise CrlnError(
                f"{lists['validation']}: case {case.id} has no label; remove the line or add one"
            )
    return replace(
        cohort,
        labelled=tuple(case for case in training if case.label),
        unlabelled=tuple(case for case in training if not case.label),
        validation=chosen.get("validation", ()),
        test=chosen.get("test", ()),
        ordered="train" in lists,
    )


def without_labels(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The same scans, their labels out of reach; drafts stay."""
    return tuple(replace(case, label=None) for case in cases)


def change_cases(cohort: Cohort, change: Callable[[Case], Case]) -> Cohort:
    """The cohort with every case changed, each in its part."""
    parts: dict[str, Any] = {part: tuple(map(change, getattr(cohort, part))) for part in PARTS}
    return replace(cohort, **parts)


def with_slices(cohort: Cohort, slices: Slices) -> Cohort:
    """The cohort, of whose labels only these slices were outlined, where they do not say which."""

    def limited(case: Case) -> Case:
        label = case.label
        if label is None or label.slices is not None:
            return case
        return replace(case, label=replace(label, slices=slices))

    return change_cases(cohort, limited)


def without_drafts(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The same scans without drafts: nothing that is measured may rest on one."""
    return tuple(replace(case, draft=None) for case in cases)


def group_of(case: Case) -> object:
    """What keeps cases together; a case of no group stands alone."""
    return case.group if case.group is not None else (case.id,)


def check_groups(cohort: Cohort) -> None:
    """Raises CrlnError where a group lies on both sides of the split."""
    sides = {"training": cohort.training, "validation": cohort.validation, "test": cohort.test}
    first: dict[str, tuple[str, str]] = {}
    for side, cases in sides.items():
        for case in cases:
            if case.group is None:
                continue
            other, one = first.setdefault(case.group, (side, case.id))
            if other != side:
                raise CrlnError(
                    f"{cohort.root}: group {case.group}: case {one} is for {other}, {case.id} for "
                    f"{side}; keep a group's cases together"
                )
