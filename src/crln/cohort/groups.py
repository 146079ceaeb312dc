"""Which cases are of one patient, by a pattern on their names."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from crln.cohort.case import Case, Cohort
from crln.cohort.parts import change_cases, check_groups
from crln.errors import CrlnError, counted

_log = logging.getLogger("crln")

_NUMBERED = re.compile(r"(\D*)(\d+)(?:[-_. ]+(.+)|([a-zA-Z]))")
"""A name that goes on after its first number: `patient001_frame12`, `p7b`."""

_ENDED = re.compile(r"(.+)[-_]([^-_]*[a-zA-Z][^-_]*)")
"""A name with an ending that is no bare number, which would number cases: `vessels_b_q0`."""


def group_by(cohort: Cohort, pattern: str) -> Cohort:
    r"""The cohort with a group for each case whose id the pattern is found in.

    The group is what the pattern's brackets hold, or all that it matches. A group that a
    cohort.yaml names stays, and a case that the pattern is not found in stands alone, which is
    told.

    Args:
        cohort: as loaded.
        pattern: a regular expression, such as `patient(\d+)`.

    Raises:
        CrlnError: it is no regular expression, or is found in no id.

    Examples:
        >>> case = crln.Case("patient07_b", images=())
        >>> cohort = crln.Cohort(Path("data"), "folders", unlabelled=(case,))
        >>> [case.group for case in group_by(cohort, r"patient(\d+)").unlabelled]
        ['07']
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise CrlnError(
            f"--group {pattern}: no regular expression ({error}); write it like 'patient(\\d+)'"
        ) from error

    def grouped(case: Case) -> Case:
        found = search(case.id)
        if case.group is not None or not found:
            return case
        words = [word for word in found.groups() if word] or [found[0]]
        return replace(case, group=" ".join(words))

    parted = replace(change_cases(cohort, grouped), grouping=pattern)
    check_groups(parted)
    alone = [case.id for case in parted if case.group is None]
    if len(alone) == len(list(cohort)):
        raise CrlnError(
            f"{cohort.root}: --group {pattern} is found in no name, such as {alone[0]}; correct it"
        )
    if alone:
        _log.warning(
            "%s: --group %s is not found in %s, such as %s; each is a group of its own",
            cohort.root, pattern, counted(len(alone), "name"), alone[0],
        )  # fmt: skip
    return parted


def repeated_patients(cohort: Cohort) -> str | None:
    """A line where names suggest several scans of a patient and no case has a group; or None."""
    cases = list(cohort)
    if any(case.group is not None for case in cases):
        return None
    found = suggested_pattern(case.id for case in cases)
    if found is None:
        return None
    pattern, (one, other) = found
    return (
        f"{one} and {other} look like scans of one patient: give --group '{pattern}' to keep each "
        "patient on one side of the split"
    )


def suggested_pattern(ids: Iterable[str]) -> tuple[str, tuple[str, str]] | None:
    r"""The pattern that tells patients in names that seem to repeat them, and two names of one.

    Names count as repeated where what follows their first number is what follows others' too, as
    visits, phases and sides do, and where there are more patients than scans of any one of them: a
    number of a site or a study is followed by a number that is no other's.

    Examples:
        >>> suggested_pattern(["patient01_ED", "patient01_ES", "patient02_ED", "patient02_ES"])
        ('patient(\\d+)', ('patient01_ED', 'patient01_ES'))
    """
    ids = sorted(ids)
    numbered = [(id, match) for id in ids if (match := _NUMBERED.fullmatch(id))]
    if found := _repeated([(id, m[1] + m[2], m[3] or m[4]) for id, m in numbered]):
        before = {match[1] for _, match in numbered}
        literal = re.escape(next(iter(before))).replace(r"\-", "-")
        pattern = rf"{literal}(\d+)" if len(before) == 1 and literal else r"^(\D*\d+)"
        return pattern, found
    ended = [(id, match) for id in ids if (match := _ENDED.fullmatch(id))]
    found = _repeated([(id, match[1], match[2]) for id, match in ended])
    return (r"^(.+)[-_]", found) if found else None


def _repeated(names: Sequence[tuple[str, str, str]]) -> tuple[str, str] | None:
    """Two names of one patient, of (name, patient, ending), where patients seem to repeat."""
    patients: dict[str, list[str]] = defaultdict(list)
    endings = set()
    for name, patient, ending in names:
        patients[patient].append(name)
        # frame01 and frame12 are one kind of ending; 01 and 12 may be patients
        wordy = re.search("[a-zA-Z]", ending)
        endings.add(re.sub(r"\d+", "#", ending) if wordy else ending)
    several = [of_one for of_one in patients.values() if len(of_one) > 1]
    most = max(map(len, several), default=0)
    if len(several) < 2 or most > len(patients) or len(endings) > len(names) / 2:
        return None
    return several[0][0], several[0][1]
