"""Which case serves what: training with a label, training without, validation, test."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from crln.cohort.case import Case, Cohort
from crln.errors import CrlnError
from crln.seeding import numpy_generator

PARTS = ("labelled", "unlabelled", "validation", "test")


def split_cohort(
    cohort: Cohort,
    *,
    labelled: int | None = None,
    validation: int = 0,
    test: int = 0,
    seed: int = 0,
) -> Cohort:
    """Holds cases out and chooses those whose label is learnt from.

    Test: the last N labelled cases, in the list's order or sorted by id. Validation: then the last N
    of a list, or a seeded draw. Labelled: then the first N of a list, or a seeded draw. The labels
    of the rest are forgotten: those cases become unlabelled.

    Args:
        cohort: as loaded; what its lists already hold out stays held out.
        labelled: how many labels to learn from; None: all.
        validation: how many more labelled cases to hold out for choosing a checkpoint.
        test: how many more to hold out for evaluation.
        seed: of the draws.

    Raises:
        CrlnError: there are fewer labelled cases than asked for, or none.
    """
    known = list(cohort.labelled)
    if not cohort.ordered:
        known.sort(key=lambda case: case.id)
    asked = test + validation + (1 if labelled is None else labelled)
    if not known:
        raise CrlnError(f"{cohort.root}: no labelled case; put at least one outline beside a scan")
    if asked > len(known):
        raise CrlnError(
            f"{cohort.root}: asked for {labelled or 'some'} labelled, {validation} validation and "
            f"{test} test cases, found {len(known)} with a label; ask for fewer"
        )
    known, held_test = known[: len(known) - test], known[len(known) - test :]
    if cohort.ordered:
        known, held = known[: len(known) - validation], known[len(known) - validation :]
    else:
        held, known = _draw(known, validation, seed, "validation split")
    if labelled is None or cohort.ordered:
        count = len(known) if labelled is None else labelled
        chosen, rest = known[:count], known[count:]
    else:
        chosen, rest = _draw(known, labelled, seed, "labelled split")
    forgotten = tuple(_forget(rest))
    return replace(
        cohort,
        labelled=tuple(chosen),
        unlabelled=cohort.unlabelled + forgotten,
        validation=cohort.validation + tuple(held),
        test=cohort.test + tuple(held_test),
    )


def unlabelled_pool(cohort: Cohort, *, transductive: bool = False) -> tuple[Case, ...]:
    """The scans to learn from without labels.

    Args:
        cohort: the split cohort.
        transductive: the validation and test scans too, their labels forgotten.
    """
    held = cohort.validation + cohort.test if transductive else ()
    return cohort.unlabelled + tuple(_forget(held))


def save_split(cohort: Cohort, path: Path) -> None:
    """Writes the ids of each part as YAML."""
    content = {part: [case.id for case in getattr(cohort, part)] for part in PARTS}
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    beside.replace(path)


def read_split(path: Path) -> dict[str, list[str]]:
    """The ids of each part, of what `save_split` wrote.

    Raises:
        CrlnError: the file is missing or damaged.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return {part: [str(case) for case in content[part]] for part in PARTS}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CrlnError(f"{path}: not a readable split; restore it or split anew") from error


def apply_split(cohort: Cohort, path: Path) -> Cohort:
    """Splits a cohort as a saved split says.

    Raises:
        CrlnError: the file is damaged, names a case that is missing or twice, or a case without a
            label where one is due.
    """
    parts = read_split(path)
    cases = {case.id: case for case in cohort}
    ids = [case for part in PARTS for case in parts[part]]
    if len(set(ids)) < len(ids):
        raise CrlnError(f"{path}: a case is in two parts; correct the split")
    for case in ids:
        if case not in cases:
            raise CrlnError(f"{path}: names the case {case!r}, which {cohort.root} does not hold")
    for case in parts["labelled"]:
        if cases[case].label is None:
            raise CrlnError(f"{path}: case {case!r} is to be learnt from but has no label")
    chosen = {part: tuple(cases[case] for case in parts[part]) for part in PARTS}
    chosen["unlabelled"] = tuple(_forget(chosen["unlabelled"]))
    return replace(cohort, **chosen)


def _draw(
    cases: Sequence[Case], count: int, seed: int, purpose: str
) -> tuple[list[Case], list[Case]]:
    """`count` cases at random, and the others, both in their order."""
    picked = set(numpy_generator(seed, 0, purpose).permutation(len(cases))[:count].tolist())
    chosen = [case for i, case in enumerate(cases) if i in picked]
    return chosen, [case for i, case in enumerate(cases) if i not in picked]


def _forget(cases: Sequence[Case]) -> list[Case]:
    return [replace(case, label=None) for case in cases]
