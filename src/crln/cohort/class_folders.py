"""Folders beside `labels/`: one for each class, as `labels-liver/`, and `drafts/`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from crln.cohort.case import Case, Label
from crln.cohort.listing import assign_labels
from crln.errors import CrlnError
from crln.imaging.naming import plain

DRAFTS = "drafts"

Files = tuple[dict[str, Path], list[Path]]
"""What a folder of labels holds: label files by name, and files of no kind that is read."""


def class_folders(entries: list[Path], labels: str) -> dict[str, Path]:
    """Name of a class to the folder of its outlines.

    Args:
        entries: of the cohort's folder.
        labels: what the folder of all classes' labels is called.
    """
    start = f"{labels.casefold()}-"
    return {
        entry.name[len(start) :]: entry
        for entry in entries
        if entry.is_dir()
        and entry.name.casefold().startswith(start)
        and len(entry.name) > len(start)
    }


def named_classes(
    folders: Mapping[str, Path], names: dict[int, str], whole: Path | None
) -> dict[int, str]:
    """Label value to name of every class; those of folders are numbered where nothing names them.

    Args:
        folders: of single classes.
        names: what dataset.json says.
        whole: the folder of all classes' labels, if it holds any.

    Raises:
        CrlnError: dataset.json, which has to tell the values, names no such class.
    """
    if not folders:
        return names
    if not names and whole is None:
        return {0: "background"} | dict(enumerate(sorted(folders), 1))
    known = {plain(name) for name in names.values()}
    for name, folder in folders.items():
        if plain(name) not in known:
            asks = f"{whole.name}/ holds values" if whole else "dataset.json names classes"
            raise CrlnError(
                f"{folder}: {asks}, and none of dataset.json's classes is called {name}; name it "
                "there, with its value"
            )
    return names


def with_class_folders(
    cases: dict[str, Case], found: Mapping[str, Files], names: Mapping[int, str]
) -> dict[str, Case]:
    """The cases with the outlines of single classes, united; whoever outlined one looked for it.

    Args:
        cases: by id.
        found: name of a class to what `find_labels` found in its folder.
        names: label value to name of every class.

    Raises:
        CrlnError: an outline has no scan, or a case has a label of all classes too.
    """
    values = {plain(name): value for value, name in names.items()}
    parts: dict[str, list[tuple[int, Path]]] = {}
    for name, files in found.items():
        for id, path in assign_labels(cases, *files).items():
            parts.setdefault(id, []).append((values[plain(name)], path))
    every = {value for value in names if value}
    outlined = dict(cases)
    for id, of_case in parts.items():
        whole, first = cases[id].label, min(of_case)[1]
        if whole:
            raise CrlnError(
                f"{first}: case {id} has a label of all classes, {whole.path}, too; remove one"
            )
        looked = tuple(sorted(value for value, _ in of_case))
        classes = None if set(looked) == every else looked
        label = Label(first, classes, parts=tuple(sorted(of_case)))
        outlined[id] = replace(cases[id], label=label)
    return outlined


def with_drafts(cases: dict[str, Case], found: Files) -> dict[str, Case]:
    """The cases with their drafts, as `find_labels` found them.

    Raises:
        CrlnError: a draft has no scan.
    """
    drafts = assign_labels(cases, *found)
    return {
        id: replace(case, draft=Label(drafts[id], kind="draft")) if id in drafts else case
        for id, case in cases.items()
    }
