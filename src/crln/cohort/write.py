"""Writes a cohort as a cohort.yaml, the way back from `read_description`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crln.cohort.case import Case, Cohort, Label, Slices
from crln.cohort.parts import PARTS
from crln.errors import CrlnError
from crln.files import to_yaml, write_text


def write_description(cohort: Cohort, path: Path, note: str = "") -> None:
    """Writes which scans there are, what each is for, and what the classes are called.

    Args:
        cohort: in its parts.
        path: the yaml; what lies under its folder or that folder's parent is named relative to it,
            so that both can be moved together, anything else outright.
        note: a line of comment at the top.

    Raises:
        CrlnError: it cannot be written, or structures of a file each have no name.

    Examples:
        >>> from crln.cohort import write_description
        >>> write_description(crln.load_cohort("data"), Path("written.yaml"))
        >>> [case.id for case in crln.load_cohort("written.yaml").unlabelled]
        ['case_07']
    """
    told: dict[str, Any] = {"channels": list(cohort.channels)}
    if cohort.class_names:
        told["classes"] = _classes(cohort)
    if cohort.ignore is not None:
        told["ignore"] = cohort.ignore
    if not cohort.exclusive:
        told["exclusive"] = False
    if cohort.regions:
        told["regions"] = {name: list(values) for name, values in cohort.regions.items()}
    folder = path.resolve().parent
    for part in PARTS:
        cases = getattr(cohort, part)
        told[part] = [_entry(case, folder, cohort.class_names) for case in cases]
    write_text(path, (f"# {note}\n" if note else "") + to_yaml(told))


def _classes(cohort: Cohort) -> dict[int, str | list[str]]:
    """Value to name, and what else files may call it."""
    others: dict[str, dict[str, None]] = {}
    for case in cohort:
        for label in (case.label, case.draft):
            for other, name in label.called if label else ():
                others.setdefault(name, {})[other] = None
    return {
        value: [name, *others[name]] if name in others else name
        for value, name in cohort.class_names.items()
    }


def _entry(case: Case, folder: Path, names: Mapping[int, str]) -> dict[str, Any]:
    told: dict[str, Any] = {"id": case.id, "images": [path_beside(p, folder) for p in case.images]}
    if case.label and case.label.parts:
        if unnamed := [value for value, _ in case.label.parts if value not in names]:
            raise CrlnError(
                f"{case.label.path}: case {case.id}: the structure {unnamed[0]} has no name; name "
                "it in a cohort.yaml"
            )
        told["labels"] = {
            names[value]: path_beside(path, folder) for value, path in case.label.parts
        }
        if case.label.slices is not None:
            told["slices"] = _slices(case.label.slices)
    elif case.label:
        told["label"] = _label(case.label, folder)
    if case.draft:
        told["draft"] = _label(case.draft, folder)
    if case.group is not None:
        told["group"] = case.group
    return told


def _label(label: Label, folder: Path) -> str | dict[str, Any]:
    path = path_beside(label.path, folder)
    told: dict[str, Any] = {"path": path}
    if label.classes is not None:
        told["classes"] = list(label.classes)
    if label.slices is not None:
        told["slices"] = _slices(label.slices)
    return path if len(told) == 1 else told


def _slices(slices: Slices) -> dict[str, Any]:
    told: dict[str, Any] = {"at": "outlined" if slices.at is None else list(slices.at)}
    return told if slices.axis is None else {**told, "axis": "xyz"[slices.axis]}


def path_beside(path: Path, folder: Path) -> str:
    """How a file of a folder names a path.

    Relative where it lies there or beside the folder, so that both can be moved; else outright.
    """
    whole, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    if whole.is_relative_to(folder.parent):
        return Path(os.path.relpath(whole, folder)).as_posix()
    return str(whole)
