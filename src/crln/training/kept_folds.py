"""Folds that go on: what an earlier training never saw must stay unseen."""

from collections.abc import Callable, Sequence
from pathlib import Path

from crln.cohort import read_split
from crln.runs import RunFolder, open_ensemble, open_run
from crln.runs.ensemble import is_ensemble, predicting_runs
from crln.runs.folder import FACTS


def parts_of(start: Path | None) -> tuple[tuple[str, ...], ...]:
    """The parts that the members of an ensemble left out; none of a run, or of nothing."""
    if start is None or not is_ensemble(start):
        return ()
    ensemble = open_ensemble(start)
    return tuple(member.left_out for member in ensemble.members[: ensemble.folds])


def start_of(
    start: Path | None, left_out: Sequence[str], say: Callable[[str], object] = str
) -> Path | None:
    """The run to begin with the weights of: one that has learnt no label of what is left out.

    Args:
        start: a run folder, or an ensemble's; None: begin anew.
        left_out: ids of the cases that are not to be learnt.
        say: told where there is no such run, so that the member begins anew.

    Raises:
        CrlnError: `start` is no run folder, or a member of it has not begun.
    """
    if start is None:
        return None
    runs = predicting_runs(start)
    for run in runs:
        if not left_out or _unseen(run, left_out):
            return run.path
    say(f"{start}: has learnt cases that are left out here, so that a member begins anew")
    return None


def _unseen(run: RunFolder, left_out: Sequence[str]) -> bool:
    """Whether a run, and those that it began from, are known to have learnt none of the labels."""
    while run.split.exists():  # of a model that was handed on nobody knows
        if not set(left_out).isdisjoint(read_split(run.split)["labelled"]):
            return False
        earlier = run.facts.start_from
        if earlier is None:
            return True
        if not (Path(earlier) / FACTS).exists():
            return False
        run = open_run(Path(earlier))
    return False
