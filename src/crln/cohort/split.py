"""Draws labelled, validation and test cases."""

from collections.abc import Sequence
from dataclasses import replace

from crln.cohort.case import Case, Cohort
from crln.cohort.held_out import Held, held_out, means_same, shown
from crln.cohort.parts import check_groups, group_of, without_drafts, without_labels
from crln.errors import CrlnError, counted
from crln.seeding import numpy_generator


def split_cohort(
    cohort: Cohort,
    *,
    labelled: int | None = None,
    validation: int = 0,
    test: Held = 0,
    seed: int = 0,
) -> Cohort:
    """Takes test, validation and labelled cases from those with a label.

    Test cases are the last of the list that ordered the cohort, or the last by id, unless they are
    named. Of the rest, shuffled by the seed unless a list ordered them, the first are labelled and
    the last serve for validation: the draw of 16 contains that of 8, with or without validation.
    What is left becomes unlabelled, its labels out of reach. Test and validation cases are whole
    groups: one that would be too many, or has an unlabelled case, is passed over.

    Args:
        cohort: as loaded; its own test and validation cases stay what they are.
        labelled: how many to learn labels from; None: all that are left.
        validation: how many to choose a checkpoint by.
        test: how many to keep for evaluation, or a share of those with a label ("20%"), or their
            ids; as text also a file with an id a line.
        seed: of the draw.

    Raises:
        CrlnError: no case has a label, fewer have one than are asked for, the cohort has a
            validation or test part already, a named case has no label, or no whole groups make the
            number asked for.

    Examples:
        >>> cohort = crln.split_cohort(crln.load_cohort("data"), labelled=6, test=20)
        >>> len(cohort.labelled), len(cohort.unlabelled), len(cohort.test)
        (6, 3, 20)
    """
    for part, asked in (("validation", validation), ("test", test)):
        if not asked or not getattr(cohort, part):
            continue
        if cohort.kept is None:
            raise CrlnError(
                f"{cohort.root}: has its own {part} cases; leave out --{part}, or their list"
            )
        if not means_same(cohort, part, asked):
            count = counted(len(getattr(cohort, part)), f"{part} case")
            raise CrlnError(
                f"{cohort.kept}: keeps {count}, other than --{part} {shown(asked)}; leave out "
                f"--{part}, or draw anew with --split new"
            )
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case; add a label file for some of the scans")
    held = 0 if cohort.test else held_out(cohort, test)
    validation = 0 if cohort.validation else validation
    _check_enough(cohort, labelled, validation, held if isinstance(held, int) else len(held))
    cases = cohort.labelled if cohort.ordered else _by_id(cohort.labelled)
    if isinstance(held, int):
        rest, tested = _last(cohort, cases, held, "test")
    else:
        rest = tuple(case for case in cases if case.id not in held)
        tested = tuple(case for case in cases if case.id in held)
    if not cohort.ordered:
        order = numpy_generator(seed, 0, "split").permutation(len(rest))
        rest = tuple(rest[index] for index in order)
    learnt, validated = _last(cohort, rest, validation, "validation")
    chosen = len(learnt) if labelled is None else labelled
    in_order = tuple if cohort.ordered else _by_id
    parts = replace(
        cohort,
        labelled=in_order(learnt[:chosen]),
        unlabelled=cohort.unlabelled + without_labels(in_order(learnt[chosen:])),
        validation=cohort.validation or in_order(validated),
        test=cohort.test or tested,
    )
    if not isinstance(held, int):
        check_groups(parts)  # a number takes whole groups
    return parts


def unlabelled_pool(cohort: Cohort, *, transductive: bool = False) -> tuple[Case, ...]:
    """The scans to learn from without a label.

    Args:
        cohort: after its split.
        transductive: the validation and test scans too; their labels and drafts stay out of reach.
    """
    held_out = cohort.validation + cohort.test if transductive else ()
    return cohort.unlabelled + without_drafts(without_labels(held_out))


def _check_enough(cohort: Cohort, labelled: int | None, validation: int, tests: int) -> None:
    """Refuses to draw more cases than have a label."""
    if min(1 if labelled is None else labelled, validation, tests) < 0 or labelled == 0:
        raise CrlnError(
            f"asked for {labelled} labelled, {validation} validation and {tests} test cases; give "
            "1 labelled or more, and none below 0"
        )
    count = len(cohort.labelled)
    if (1 if labelled is None else labelled) + validation + tests > count:
        wanted = "at least 1" if labelled is None else labelled
        raise CrlnError(
            f"{cohort.root}: asked for {wanted} labelled, {validation} validation and {tests} test "
            f"cases, found {count} with a label; ask for fewer or add labels"
        )


def _last(
    cohort: Cohort, cases: tuple[Case, ...], count: int, part: str
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Some cases without the last whole groups of them that are `count` cases, and those."""
    groups: dict[object, set[str]] = {}
    for case in cases:
        groups.setdefault(group_of(case), set()).add(case.id)
    elsewhere = {group_of(case) for case in cohort.unlabelled}
    order = dict.fromkeys(group_of(case) for case in reversed(cases))
    whole = [groups[group] for group in order if group not in elsewhere]
    chosen, nearest = _that_make([len(group) for group in whole], count)
    if nearest != count:
        raise CrlnError(
            f"{cohort.root}: no whole groups make {count} {part} cases; ask for --{part} {nearest}"
        )
    taken = {id for group, take in zip(whole, chosen, strict=True) if take for id in group}
    return (
        tuple(case for case in cases if case.id not in taken),
        tuple(case for case in cases if case.id in taken),
    )


def _that_make(sizes: Sequence[int], count: int) -> tuple[list[bool], int]:
    """Which groups make a number of cases, those that come first before others.

    Returns:
        Whether each is taken, and how many cases that is: the largest number up to `count` that
        whole groups make.
    """
    makes = [1]  # bit n is set where the groups from one on make n
    for size in reversed(sizes):
        makes.append((makes[-1] | makes[-1] << size) & ((1 << count + 1) - 1))
    left = nearest = makes[-1].bit_length() - 1
    taken = []
    for size, rest in zip(sizes, reversed(makes[:-1]), strict=True):
        taken.append(size <= left and bool(rest >> (left - size) & 1))
        left -= size if taken[-1] else 0
    return taken, nearest


def _by_id(cases: Sequence[Case]) -> tuple[Case, ...]:
    return tuple(sorted(cases, key=lambda case: case.id))
