"""What follows from the decisions: `labels/`, `cohort.yaml`, and which drawings stay."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from crln.cohort import Case, Cohort, Label, write_description
from crln.errors import CrlnError
from crln.reviewing.places import Places, link
from crln.reviewing.state import CaseState, file_name
from crln.reviewing.structures import Structures

_NOTE = "What was accepted is labelled; crln review writes this file anew at every decision."
_PARTIAL = re.compile(r"partial-\d+_\d+-")


def follow(places: Places, state: CaseState, structures: Structures) -> None:
    """Has `labels/` say what a case's state says; drawings that nothing needs are removed."""
    labels = structures.files(places.label(state.case))
    if state.state == "accepted" and state.drawing is not None:
        drawn = structures.files(places.drawing(state.case, state.drawing))
        for structure, label in labels.items():
            link(drawn[structure], label)
    else:
        for label in labels.values():
            label.unlink(missing_ok=True)
    for number, files in places.drawings(state.case).items():
        if number not in state.drawings:
            for path in files:
                path.unlink(missing_ok=True)


def mend(places: Places, states: Mapping[str, CaseState], structures: Structures) -> None:
    """Brings `labels/` in line with the states; removes what a killed process left half-written.

    Raises:
        CrlnError: a drawing that a state needs is missing.
    """
    drawn = (structures.folders(places.path / name) for name in ("drawings", "labels"))
    own = (places.path, places.path / "cases", *(folder for each in drawn for folder in each))
    for folder in (*own, places.shown, places.shown / "small"):
        remove_leftovers(folder, states)
    for id, state in states.items():
        label = structures.label(places.label(id))
        if not state.version and not any(file.exists() for file in label.files):
            continue
        for number in sorted(state.drawings):
            for file in structures.files(places.drawing(id, number)).values():
                if not file.exists():
                    raise CrlnError(
                        f"{file}: is missing, of case {id}; restore it, or remove "
                        f"{places.state(id)} to begin with the case anew"
                    )
        follow(places, state, structures)


def remove_leftovers(folder: Path, cases: Iterable[str]) -> None:
    """Removes what a killed process has left half-written in a folder that nobody writes to now.

    Args:
        folder: of the project, or within it.
        cases: ids; a case may be called as such a file is.
    """
    own = tuple(f"{file_name(id)}." for id in cases)
    for path in folder.glob("partial-*"):
        if _PARTIAL.match(path.name) and not path.name.startswith(own):
            path.unlink(missing_ok=True)


def label_of(case: Case, places: Places, state: CaseState, structures: Structures) -> Label | None:
    """What of a case is learnt from: what was accepted."""
    if state.state != "accepted":
        return None
    if state.drawing is None:
        return case.label
    return structures.label(places.label(case.id), state.limits)


def cohort_of(
    data: Cohort, places: Places, state: Callable[[str], CaseState], structures: Structures
) -> Cohort:
    """The cohort as it stands: what is accepted teaches, test and validation cases stay apart.

    A validation case whose label is not accepted any more is left out.

    Args:
        data: the person's own.
        places: of the project.
        state: of each case.
        structures: of the project.
    """
    labels = {case.id: label_of(case, places, state(case.id), structures) for case in data}

    def told(cases: Iterable[Case], labelled: bool | None = None) -> tuple[Case, ...]:
        return tuple(
            replace(case, label=labels[case.id])
            for case in cases
            if labelled in (None, labels[case.id] is not None)
        )

    return replace(
        data,
        root=places.cohort,
        labelled=told(data.training, True),
        unlabelled=told(data.training, False),
        validation=told(data.validation, True),
        test=told(data.test),
        ignore=structures.ignore if any(state(case.id).unknown for case in data) else data.ignore,
        kept=None,
    )


def write_cohort(places: Places, cohort: Cohort) -> None:
    """Writes `cohort.yaml`."""
    write_description(cohort, places.cohort, _NOTE)
