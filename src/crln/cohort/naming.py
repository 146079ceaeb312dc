"""Classes that the label files themselves name, as 3D Slicer's and DICOM's do."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from crln.cohort.case import Cohort
from crln.cohort.names import IGNORED, settle_names
from crln.imaging import label_names
from crln.imaging.naming import plain, renamed

_log = logging.getLogger("crln")


def with_names(cohort: Cohort) -> Cohort:
    """The cohort with the classes' names that the labels of its labelled cases tell.

    Where the cohort names classes itself, its names stay; structures that it does not name are
    left out, and that is told. Elsewhere every name is a class. Its value is that of the first
    file that has it, by case id, or the next free one where another class has that already.

    Raises:
        CrlnError: a label file cannot be read.
    """
    told = {
        case.id: renamed(label_names(case.label.path), case.label.called)
        for case in sorted(cohort.labelled, key=lambda case: case.id)
        if case.label and not case.label.parts
    }
    if cohort.class_names:
        _tell_left_out(cohort, told)
        return cohort
    named = settle_told(told.values())
    if not named:
        return cohort
    names, ignore = settle_names(cohort.root, named.items())
    ignore = ignore if cohort.ignore is None else cohort.ignore
    return replace(cohort, class_names=names, ignore=ignore)


def settle_told(told: Iterable[Mapping[int, str]]) -> dict[int, str]:
    """One value for each name that some label files tell; the first file that has it decides.

    Args:
        told: of each file, value to name.
    """
    named: dict[int, str] = {}
    for names in told:
        for value, name in names.items():
            if plain(name) in map(plain, named.values()):
                continue
            free = value if value and value not in named else max([0, *named, *names]) + 1
            named[free] = name
    return named


def _tell_left_out(cohort: Cohort, told: dict[str, dict[int, str]]) -> None:
    known = {plain(name) for name in (*cohort.class_names.values(), IGNORED)}
    others: dict[str, str] = {}
    for id, names in told.items():
        for name in names.values():
            if plain(name) not in known:
                others.setdefault(name, id)
    if others:
        listed = ", ".join(f"{name} (first in {id})" for name, id in list(others.items())[:8])
        _log.warning(
            "%s: labels hold structures that are no class, and count as background: %s",
            cohort.root, listed,
        )  # fmt: skip
