"""Which scans to outline, or to check, next."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from crln.cohort import SPLIT, Case, Cohort, load_cohort, open_split
from crln.cohort.outline import usual_axis
from crln.cohort.parts import PARTS, group_of
from crln.errors import CrlnError, bare_reason
from crln.evaluation.text import csv_text
from crln.files import write_text
from crln.inference import Precision
from crln.seeding import numpy_generator
from crln.suggestion.doubt import Doubt, Doubter
from crln.suggestion.spread import apart_in_order, doubtful_and_unlike, scaled

By = Literal["doubt", "random"]

_log = logging.getLogger("crln")


@dataclass(frozen=True)
class Suggestion:
    """A scan that is worth a look.

    Attributes:
        case: its id.
        scan: its files.
        doubt: 0..1: 1 - Dice of the outlines of several networks, or that one network expects.
        reason: why, in words.
        axis: 0, 1 or 2, along which the slices are; None where none were asked for.
        slices: to outline first, counted from 0 as the file has them.

    Examples:
        >>> (first,) = crln.suggest("run", "data", n=1, slices=2)
        >>> first.case, len(first.slices)
        ('case_07', 2)
    """

    case: str
    scan: tuple[Path, ...]
    doubt: float
    reason: str
    axis: int | None = None
    slices: tuple[int, ...] = ()


def suggest(
    run: Path | str,
    data: Cohort | Path | str,
    n: int = 5,
    *,
    by: By = "doubt",
    slices: int = 0,
    among: Collection[str] = ("unlabelled",),
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "32",
    say: Callable[[str], object] = lambda line: None,
) -> list[Suggestion]:
    """Scans that teach most when they are outlined, or that need checking most.

    Those are taken whose outline the model doubts, and that are unlike each other: see
    `doubtful_and_unlike`. Test and validation cases, of the cohort and of the run, and scans with a
    label are no candidates unless `among` has them. Of a patient one scan is taken.

    Args:
        run: a run folder, or an ensemble's, whose members' disagreement tells more.
        data: the cohort, or its folder; the parts of its cases count.
        n: how many scans.
        by: "doubt", or "random", the control: drawn among scans in which the model finds something.
        slices: of each scan so many, the most doubtful that do not lie side by side.
        among: parts of the cohort to choose from: "labelled", "unlabelled", "validation", "test".
        seed: of the random draw.
        device: "auto", "cpu", "cuda" or "mps".
        precision: of the networks' arithmetic.
        say: told how far it is, and which scans have no outline at all.

    Returns:
        At most n suggestions, the most important first.

    Raises:
        CrlnError: there is no candidate, the training has not finished, or no scan can be read.

    Examples:
        >>> [suggestion.case for suggestion in crln.suggest("run", "data")]
        ['case_07']
    """
    cohort = data if isinstance(data, Cohort) else load_cohort(Path(data))
    candidates = _candidates(cohort, Path(run), among)
    looker = Doubter(Path(run), device, precision)
    if by == "random":
        order = numpy_generator(seed, 0, "suggestions").permutation(len(candidates))
        drawn = [candidates[place] for place in order]
        chosen = _first_of_groups(_looks(looker, drawn, say), n)
        reasons = ["drawn at random among the scans in which something is outlined"] * n
    else:
        looks = list(_looks(looker, candidates, say))
        told = [look for look in looks if not math.isnan(look.doubt)]
        _tell_empty([look.case.id for look in looks if math.isnan(look.doubt)], say)
        chosen, reasons = _doubted(told, n, len(looker.members)) if told else ([], [])
    if not chosen:
        raise CrlnError(f"{cohort.root}: nothing is outlined in any scan by {run}; train it longer")
    return [
        _suggestion(look, told, slices, by, seed)
        for look, told in zip(chosen, reasons, strict=False)
    ]


def save_suggestions(suggestions: Sequence[Suggestion], path: Path, *, overwrite: bool) -> None:
    """Writes a line a suggestion as CSV.

    Raises:
        CrlnError: the file exists and is not to be overwritten, or cannot be written.
    """
    names = ("case", "scan", "doubt", "reason", "axis", "slices")
    lines = [
        (s.case, s.scan[0], s.doubt, s.reason, "" if s.axis is None else "xyz"[s.axis],
         " ".join(map(str, s.slices)))
        for s in suggestions
    ]  # fmt: skip
    write_text(path, csv_text(names, lines), overwrite=overwrite)


def _candidates(cohort: Cohort, run: Path, among: Collection[str]) -> list[Case]:
    if wrong := sorted(set(among) - set(PARTS)):
        raise CrlnError(f"--among {wrong[0]}: no part of a cohort; give {', '.join(PARTS)}")
    part_of = {case.id: part for part in PARTS for case in getattr(cohort, part)}
    if (run / SPLIT).is_file():  # a model that is handed on does not tell
        kept = open_split(run)
        held = {id: part for part in ("validation", "test") for id in kept.of(part)}
        part_of |= {id: part for id, part in held.items() if id in part_of}
    found = [case for case in cohort if part_of[case.id] in among]
    if not found:
        raise CrlnError(
            f"{cohort.root}: no {' or '.join(among)} scan to suggest; add scans, or choose among "
            "others with --among"
        )
    return found


def _looks(looker: Doubter, cases: Sequence[Case], say: Callable[[str], object]) -> Iterator[Doubt]:
    """What is thought of each scan; one that cannot be read is told and left out."""
    failed, fault = 0, ""
    for done, case in enumerate(cases, 1):
        try:
            look = looker.look(case)
            say(f"{done}/{len(cases)} {case.id}")
            yield look
        except CrlnError as error:
            failed, fault = failed + 1, str(error)
            _log.warning("left out: %s", " ".join(fault.split()))
        except Exception as error:  # whatever a file's library raises, the others can be looked at
            failed += 1
            fault = f"{case.images[0]}: {bare_reason(error)}; leave it out"
            _log.warning("left out: %s", fault)
    if failed == len(cases):
        raise CrlnError(fault)


def _first_of_groups(looks: Iterable[Doubt], count: int) -> list[Doubt]:
    """The first so many in which something is outlined, one of a group."""
    chosen: dict[object, Doubt] = {}
    for look in looks:
        if not math.isnan(look.doubt):
            chosen.setdefault(group_of(look.case), look)
        if len(chosen) == count:
            break
    return list(chosen.values())


def _tell_empty(cases: Sequence[str], say: Callable[[str], object]) -> None:
    if cases:
        more = f" and {len(cases) - 5} more" if len(cases) > 5 else ""
        say(f"nothing is outlined in {', '.join(cases[:5])}{more}: look whether that is right")


def _doubted(looks: Sequence[Doubt], count: int, networks: int) -> tuple[list[Doubt], list[str]]:
    """The doubtful that are unlike each other, and why each."""
    doubts = [look.doubt for look in looks]
    features = np.stack([look.features for look in looks])
    groups = [group_of(look.case) for look in looks]
    chosen = doubtful_and_unlike(doubts, features, groups, count)
    if networks > 1:
        what = f"outlines of {networks} networks agree by a Dice of"
    else:
        what = "its outline is expected to have a Dice of"
    usual, reasons = 1 - float(np.median(doubts)), []
    unlike = scaled(features)
    apart = np.linalg.norm(unlike[:, None] - unlike[chosen], axis=2)  # (n, chosen)
    for rank, place in enumerate(chosen):
        line = f"{what} {1 - doubts[place]:.2f} (usual here: {usual:.2f})"
        alone = rank and apart[place, :rank].min() >= np.median(apart)
        reasons.append(f"{line}; unlike those above" if alone else line)
    return [looks[place] for place in chosen], reasons


def _suggestion(look: Doubt, why: str, count: int, by: By, seed: int) -> Suggestion:
    case = look.case
    if not count:
        return Suggestion(case.id, case.images, look.doubt, why)
    axis = usual_axis(look.grid)
    weights, outlined = look.slices[axis], look.outlined[axis]
    if by == "random":
        weights = numpy_generator(seed, 0, f"slices of {case.id}").random(len(outlined))
    slices = tuple(apart_in_order(weights, outlined, count))
    return Suggestion(case.id, case.images, look.doubt, why, axis, slices)
