"""A split that stays: who is kept for the test is kept in every later command."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from crln.cohort.case import Case, Cohort
from crln.cohort.groups import group_by, repeated_patients
from crln.cohort.parts import check_groups, without_labels
from crln.cohort.saved import SPLIT, Split, check_case, open_split, write_held
from crln.errors import CrlnError, counted

_log = logging.getLogger("crln")

NEW = "new"
"""In place of a split: none that is kept counts."""


def split_beside(root: Path) -> Path:
    """Where the split of a cohort stays: in its folder, or beside a yaml that describes it."""
    if not root.is_file():
        return root / SPLIT
    return root.with_name(SPLIT if root.stem == "cohort" else f"{root.stem}-{SPLIT}")


def with_split(
    cohort: Cohort,
    split: Path | str | None = None,
    group: str | None = None,
    learn_test: Sequence[str] = (),
) -> Cohort:
    """A cohort as it was loaded, in the parts of a split that is kept, if there is one.

    Cases that the split does not name are for training, with their label if they have one; those
    of a group whose other cases are held out are left out, which is told.

    Args:
        cohort: as its folder tells it.
        split: as for `open_split`; "new": none; None: that beside the data, if there is one.
        group: a pattern on names, see `group_by`; None: that of the split.
        learn_test: ids of its test cases to learn from after all; ("all",): of all of them.

    Raises:
        CrlnError: the split cannot be read, or is at odds with the cohort; a named case is no test
            case of it.
    """
    beside = split_beside(cohort.root)
    kept = None
    if split is not None and split != NEW:
        kept = open_split(split)
    elif split is None and beside.is_file():
        kept = open_split(beside)
    if pattern := group or (kept.group if kept else None):
        cohort = group_by(cohort, pattern)
    if kept:
        return _parted(cohort, kept, learn_test)
    if learn_test:
        remedy = "correct its list of them" if cohort.test else "leave out --learn-test"
        raise CrlnError(
            f"{cohort.root}: no split keeps cases for a test; {remedy}, or give --split"
        )
    return cohort


def _parted(cohort: Cohort, kept: Split, learn_test: Sequence[str]) -> Cohort:
    cases = {case.id: case for case in cohort}
    for part, ids in kept.parts.items():
        for id in ids:
            check_case(kept.path, cohort, part, cases.get(id), id)
    held: dict[str, tuple[Case, ...]] = {}
    for part in ("test", "validation"):
        own = getattr(cohort, part)
        if own and part in kept.parts and {case.id for case in own} != set(kept.of(part)):
            raise CrlnError(
                f"{kept.path}: keeps other {part} cases than the lists of {cohort.root}; remove one"
            )
        held[part] = own or tuple(cases[id] for id in kept.of(part))
    released = _released(kept, learn_test)
    held["test"] = tuple(case for case in held["test"] if case.id not in released)
    out = {case.id for case in held["test"] + held["validation"]}
    groups = {cases[id].group for id in out} - {None}
    listed = tuple(case for case in cohort.test if case.id in released)
    pool = [case for case in cohort.training + listed if case.id not in out]
    together = [case for case in pool if case.group in groups]
    _tell_left_out(kept.path, together)
    left, withheld = {case.id for case in together}, set(kept.of("unlabelled"))
    rest = [case for case in pool if case.id not in left]
    parted = replace(
        cohort,
        labelled=tuple(case for case in rest if case.label and case.id not in withheld),
        unlabelled=without_labels([case for case in rest if not case.label or case.id in withheld]),
        validation=held["validation"],
        test=held["test"],
        kept=kept.path,
    )
    check_groups(parted)
    return parted


def _released(kept: Split, learn_test: Sequence[str]) -> frozenset[str]:
    """The test cases that are asked for by name, to learn from after all."""
    test = kept.of("test")
    if tuple(learn_test) == ("all",):
        return frozenset(test)
    if unknown := [id for id in learn_test if id not in test]:
        raise CrlnError(
            f"{kept.path}: --learn-test names {unknown[0]}, which is no test case of it; correct "
            "the name"
        )
    return frozenset(learn_test)


def _tell_left_out(path: Path, cases: Sequence[Case]) -> None:
    if cases:
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        _log.warning(
            "%s: left out: %s%s, of the group of a case that is kept for the test or validation",
            path, cases[0].id, more,
        )  # fmt: skip


def keep_split(whole: Cohort, cohort: Cohort) -> str | None:
    """Writes who was drawn for the test beside the data, so that later commands keep them.

    Nothing is written where no test case was drawn, or a split is there already.

    Args:
        whole: as loaded.
        cohort: after the draw.

    Returns:
        A line that says what was written, or why nothing could be; None where nothing is due.
    """
    path = split_beside(whole.root)
    if whole.test or not cohort.test or path.exists():
        return None
    try:
        if not path.parent.stat().st_mode & 0o222:
            raise CrlnError(f"{path}: cannot be written (the folder is read-only)")
        write_held(path, cohort)
    except CrlnError as error:
        fault = str(error).partition(";")[0]
        return f"{fault}, so run folders alone keep the split; give later commands --split RUN"
    return f"{path}: keeps {counted(len(cohort.test), 'test case')} for later commands"


def split_lines(whole: Cohort) -> list[str]:
    """What is said of a cohort as loaded: whose split it keeps, and where names repeat patients."""
    kept = f"split of {whole.kept}: {counted(len(whole.test), 'test case')}" if whole.kept else None
    return [line for line in (kept, repeated_patients(whole)) if line]


def check_never_tested(cohort: Cohort, earlier: Path, named: Collection[str] = ()) -> None:
    """Refuses to go on from a run whose test cases would be learnt from.

    Args:
        cohort: after its split.
        earlier: the folder of the run.
        named: ids that somebody asked for by name, or "all".

    Raises:
        CrlnError: a test case of the run is a case to learn from.
    """
    if not (earlier / SPLIT).is_file() or "all" in named:
        return
    tested = set(open_split(earlier).of("test")) - set(named)
    if clash := [case.id for case in cohort.labelled + cohort.validation if case.id in tested]:
        more = f" (and {len(clash) - 1} more)" if len(clash) > 1 else ""
        raise CrlnError(
            f"{earlier}: kept {clash[0]}{more} for its test; keep that with --split {earlier}, or "
            f"learn from it with --learn-test {','.join(clash[:3])}"
        )


def check_never_taught(cohort: Cohort, teacher: Path) -> None:
    """Refuses a teacher that has learnt from what is held out: its outlines would give that away.

    Args:
        cohort: after its split.
        teacher: the folder of the run or ensemble; a model that is handed on has no split to tell.

    Raises:
        CrlnError: it has learnt from a test or validation case of the cohort.
    """
    if not (teacher / SPLIT).is_file():
        return
    kept = open_split(teacher)
    taught = {*kept.of("labelled"), *kept.of("unlabelled")}
    for part in ("test", "validation"):
        if clash := [case.id for case in getattr(cohort, part) if case.id in taught]:
            raise CrlnError(
                f"--distil {teacher}: has learnt from {clash[0]}, which is kept for {part} here; "
                f"take its own split, --split {teacher}"
            )
