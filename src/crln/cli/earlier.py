"""What a training goes on with, or is taught by: an earlier run or ensemble."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crln.errors import CrlnError
from crln.training.options import Training

if TYPE_CHECKING:
    from crln.planning import Plan


class Begun(NamedTuple):
    """What is to be resumed, or teaches; `parts`: folds and members of an ensemble."""

    plan: "Plan"
    split: Path
    method: str
    seed: int
    parts: tuple[int, int] | None


def earlier(out: Path, chosen: Training) -> tuple[Begun | None, Begun | None]:
    """What is to be resumed, and what teaches where `--distil` begins a training."""
    from crln.runs.lifecycle import refuse_shared
    from crln.training.resume import DISTILS

    if chosen.resume:
        refuse_shared(out)
        if begun := _begun(out):
            return begun, None
    if not chosen.distil:
        return None, None
    teacher = _begun(chosen.distil)
    if teacher is None:
        raise CrlnError(
            f"--distil {chosen.distil}: no ensemble, and no run; give the folder of one"
        )
    return None, teacher._replace(method=DISTILS)


def _begun(out: Path) -> Begun | None:
    """The run or the ensemble in a folder, if there is one."""
    from crln.runs import is_ensemble, open_ensemble, open_run
    from crln.runs.folder import FACTS

    if is_ensemble(out):
        found = open_ensemble(out)
        parts = found.folds, len(found.members)
        return Begun(found.plan, found.split, found.method, found.members[0].seed, parts)
    if not (out / FACTS).exists():
        return None
    run = open_run(out)
    return Begun(run.plan, run.split, run.facts.method, run.facts.seed, None)


def given_plan(
    path: Path | None,
    preset: str | None,
    quick: bool,
    begun: Begun | None,
    teacher: Begun | None,
) -> "Plan | None":
    """The plan of the file, or of what is resumed or teaches; None: one is to be made.

    A run that is resumed keeps its budget, which `--iterations` alone changes.
    """
    from crln.planning import Plan

    if path and (preset or quick):
        other = f"--preset {preset}" if preset else "--quick"
        raise CrlnError(f"--plan {path} and {other} exclude each other; give one")
    if path:
        steps = {"training": {"iterations": begun.plan.training.iterations}} if begun else {}
        return Plan.read(path).updated(steps)
    known = begun or teacher
    return known.plan if known and not (preset or quick) else None
