"""Folds: each labelled case is left out by one of several trainings."""

from collections.abc import Sequence
from dataclasses import replace

from crln.cohort.case import Case, Cohort
from crln.cohort.parts import check_groups, group_of, without_labels
from crln.errors import CrlnError
from crln.seeding import numpy_generator


def draw_folds(
    cohort: Cohort, folds: int, seed: int = 0, kept: Sequence[Sequence[str]] = ()
) -> tuple[tuple[str, ...], ...]:
    """The labelled cases in `folds` parts of about one size, whole groups together.

    Args:
        cohort: after its split.
        folds: how many; 1: nothing is ever left out, so that its one part is empty.
        seed: of the draw.
        kept: parts of an earlier draw: what was in one stays there, the rest is drawn to it.

    Returns:
        The ids of each part.

    Raises:
        CrlnError: there are fewer labelled groups than folds.
    """
    if folds < 1:
        raise CrlnError(f"--folds {folds}: give 1 or more")
    if folds == 1:
        return ((),)
    groups: dict[object, list[str]] = {}
    for case in cohort.labelled:
        groups.setdefault(group_of(case), []).append(case.id)
    if len(groups) < folds:
        what = "groups" if any(case.group is not None for case in cohort.labelled) else "cases"
        raise CrlnError(
            f"{cohort.root}: {folds} folds of {len(groups)} labelled {what}; ask for fewer --folds"
        )
    order = numpy_generator(seed, 0, "folds").permutation(len(groups))
    shuffled = [list(groups.values())[index] for index in order]
    parts: list[list[str]] = [[] for _ in range(folds)]
    place = {id: part for part, ids in zip(parts, kept, strict=False) for id in ids}
    drawn = sorted(shuffled, key=len, reverse=True)
    for members in sorted(drawn, key=lambda members: place.keys().isdisjoint(members)):
        before = next((place[id] for id in members if id in place), None)
        (min(parts, key=len) if before is None else before).extend(members)
    return tuple(tuple(sorted(part)) for part in parts)


def leave_out(cohort: Cohort, ids: Sequence[str]) -> Cohort:
    """The cohort of a training that never sees some of the labelled cases.

    They become test cases, as do the unlabelled cases of their groups: neither their labels nor
    their scans are learnt from.

    Args:
        cohort: after its split.
        ids: of labelled cases.
    """
    chosen = set(ids)
    out = tuple(case for case in cohort.labelled if case.id in chosen)
    groups = {case.group for case in out if case.group is not None}

    def together(case: Case) -> bool:
        return case.group in groups

    left = replace(
        cohort,
        labelled=tuple(case for case in cohort.labelled if case.id not in chosen),
        unlabelled=tuple(case for case in cohort.unlabelled if not together(case)),
        test=cohort.test + out + without_labels(tuple(filter(together, cohort.unlabelled))),
    )
    check_groups(left)
    return left
