"""Several trainings of one cohort: each leaves out some of the labelled cases."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crln.cohort import Cohort, read_split, save_split
from crln.cohort.folds import draw_folds, leave_out
from crln.cohort.parts import PARTS
from crln.errors import CrlnError, counted
from crln.jobs import Jobs, run_tasks, tells_of_a_stop, visible_gpus
from crln.methods import spelled_out
from crln.planning import Plan
from crln.quality.record import QUALITY
from crln.report.gallery import PAGE, check_own
from crln.report.story import MARK, written_by_person
from crln.runs import EnsembleFolder, Member, open_ensemble, open_run
from crln.runs.ensemble import OUT_OF_FOLD
from crln.runs.folder import ENSEMBLE
from crln.runs.lifecycle import allowed_changes, keep_inputs, refuse_others, refuse_shared, taken
from crln.training.ensemble_page import write_ensemble_page
from crln.training.examples import example_cards
from crln.training.kept_folds import parts_of, start_of
from crln.training.listeners import Listener
from crln.training.options import Training
from crln.training.resume import settled
from crln.training.start import train

JOBS = "jobs"
_HERE = Jobs(here=True)


@dataclass(frozen=True)
class _Work:
    """The training of one member, for whatever process does it."""

    cohort: Cohort
    plan: Plan
    out: Path
    options: Training
    threads: int | None = None

    def __call__(
        self, listeners: Sequence[Listener] = (), stop: threading.Event | None = None
    ) -> None:
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
        train(self.cohort, self.plan, self.out, self.options, listeners=listeners, stop=stop)


def train_ensemble(
    cohort: Cohort,
    plan: Plan,
    out: Path | str,
    options: Training | None = None,
    *,
    folds: int = 5,
    members: int | None = None,
    jobs: Jobs = _HERE,
    listeners: Sequence[Listener] = (),
    stop: threading.Event | None = None,
    say: Callable[[str], object] = print,
    **fields: Any,
) -> EnsembleFolder:
    """Trains members that each leave out a share of the labelled cases.

    A case that is left out is not learnt from at all, neither its label nor its scan, so that
    `crln.out_of_fold` tells honestly how good such a training is on scans that it never saw. So
    with `start_from`, an ensemble or a run, a member begins with weights that have learnt no label
    of a case that it leaves out, or else anew; what an earlier ensemble left out together is left
    out together again.

    Args:
        cohort: split into labelled, unlabelled, validation and test cases.
        plan: of every member.
        out: the folder; a run folder a member lies in it.
        options: how each is run; member i has the seed `options.seed` + i.
        folds: parts that the labelled cases are divided into; member i leaves out part i. 1: every
            member learns from all of them.
        members: how many; default one a fold. More than folds go round again, with other seeds.
        jobs: how many at a time, and where; default one after the other in this process.
        listeners: are told how each goes, where that is in this process.
        stop: set by another thread, it ends the training after the step that is being taken, where
            that is in this process.
        say: told of each member.
        fields: of `Training`, instead of those of `options`.

    Raises:
        CrlnError: as `crln.train`; there are fewer labelled cases than folds; the folder holds an
            ensemble of other folds or members; or a member's training failed.
        Interrupted: by a signal; what was done is saved.

    Where a listener or `stop` ends a member, no other is begun.

    Examples:
        >>> cohort = crln.load_cohort("data")
        >>> plan = crln.make_plan(cohort)
        >>> settings = crln.Training(method="supervised", progress=False)
        >>> ensemble = crln.train_ensemble(cohort, plan, "new-ensemble", settings, folds=2)
        member-1 of 2: 14 labelled cases, 14 left out
        member-2 of 2: 14 labelled cases, 14 left out
        >>> ensemble.finished
        True
    """
    options, out = replace(options or Training(), **fields), Path(out)
    if options.distil:
        raise CrlnError(
            "--distil makes one network of an ensemble; leave out --folds and --members"
        )
    if options.page:
        check_own(out / PAGE, MARK)
    intended = written_by_person(out)  # an ensemble that is replaced is the same person's
    ensemble = _begin(cohort, plan, out, options, folds, members or folds)
    options = replace(options, method=ensemble.method)
    if len(ensemble.members) < folds:
        say(f"{folds - len(ensemble.members)} of {folds} folds are left out by no member: their "
            "cases are not measured")  # fmt: skip
    works = _works(ensemble, cohort, plan, options, jobs, say)
    due = {name: work for name, work in works.items() if not _done(ensemble, name, plan)}
    if due:  # what was measured of them is not theirs any more
        shutil.rmtree(ensemble.path / OUT_OF_FOLD, ignore_errors=True)
        (ensemble.path / QUALITY).unlink(missing_ok=True)
    if jobs.here:
        _one_by_one(ensemble, due, len(cohort.labelled), listeners, stop, say)
    else:
        _side_by_side(ensemble, due, options, jobs, say)
    _tell(ensemble, cohort, options, intended)
    return ensemble


def _works(
    ensemble: EnsembleFolder,
    cohort: Cohort,
    plan: Plan,
    options: Training,
    jobs: Jobs,
    say: Callable[[str], object],
) -> dict[str, _Work]:
    """The training of each member, by the name of its folder."""
    threads = None
    if not (jobs.here or jobs.slurm):
        threads = (os.cpu_count() or 1) // jobs.places(ensemble.folds) or 1
    return {
        member.folder: _Work(
            leave_out(cohort, member.left_out), plan, ensemble.folder(member),
            replace(options, seed=member.seed, resume=True, overwrite=False,
                    start_from=start_of(options.start_from, member.left_out, say),
                    progress=options.progress and jobs.here), threads,
        )
        for member in ensemble.members
    }  # fmt: skip


def _one_by_one(
    ensemble: EnsembleFolder,
    due: Mapping[str, _Work],
    labelled: int,
    listeners: Sequence[Listener],
    stop: threading.Event | None,
    say: Callable[[str], object],
) -> None:
    """Trains in this process, until a listener or `stop` ends a member, and so all of them."""
    for name, work in due.items():
        rest = len(work.cohort.labelled)
        learnt = counted(rest, "labelled case")
        say(f"{name} of {len(ensemble.members)}: {learnt}, {labelled - rest} left out")
        work(listeners, stop)
        if not ensemble.done(name):
            return


def _side_by_side(
    ensemble: EnsembleFolder,
    due: Mapping[str, _Work],
    options: Training,
    jobs: Jobs,
    say: Callable[[str], object],
) -> None:
    """Trains in processes of their own, or on a cluster; raises where a member did not finish."""
    gpus = [] if jobs.slurm or options.device == "cpu" else visible_gpus()

    def ended(name: str, printed: Path) -> None:
        say(f"{name}: {'done' if ensemble.done(name) else f'did not finish: {printed} tells why'}")

    with tells_of_a_stop(
        lambda: (
            f"{ensemble.path}: stopped; what its members learnt is saved, and the same command "
            "with --resume goes on"
        )
    ):
        run_tasks(due, jobs, ensemble.path / JOBS, ended, gpus)
    if not ensemble.finished:
        raise CrlnError(
            f"{ensemble.path}: not every member has finished; mend what {ensemble.path / JOBS} "
            "tells, and go on with --resume"
        )


def _tell(ensemble: EnsembleFolder, cohort: Cohort, options: Training, intended: str) -> None:
    """Writes the page, with examples where every member has finished."""
    if options.page:
        done = ensemble.finished
        cards = example_cards(ensemble.path, cohort, options, 0.0) if done else ()
        write_ensemble_page(ensemble, cards, intended)


def _done(ensemble: EnsembleFolder, name: str, plan: Plan) -> bool:
    """Whether a member has taken as many steps as are asked for now."""
    if not ensemble.done(name):
        return False
    steps: int = open_run(ensemble.path / name).plan.training.iterations
    return steps == plan.training.iterations


def _begin(
    cohort: Cohort, plan: Plan, out: Path, options: Training, folds: int, members: int
) -> EnsembleFolder:
    """A new folder, or the one to resume."""
    if options.resume and out.exists() and any(out.iterdir()):
        return _resumed(cohort, plan, open_ensemble(out), options, folds, members)
    # All that can be wrong is told before anything is removed.
    chosen, plan = settled(replace(options, resume=False), plan, out)
    seed = chosen.seed or 0
    parts = draw_folds(cohort, folds, seed, parts_of(options.start_from))
    if taken(out, ENSEMBLE, options.overwrite):
        keep_inputs(cohort, out)
        shutil.rmtree(out)
    ensemble = EnsembleFolder(out, plan, str(chosen.method), folds, tuple(
        Member(folder=f"member-{i + 1}", seed=seed + i, left_out=parts[i % folds])
        for i in range(members)
    ))  # fmt: skip
    save_split(cohort, ensemble.split)
    ensemble.write()
    return ensemble


def _resumed(
    cohort: Cohort,
    plan: Plan,
    begun: EnsembleFolder,
    options: Training,
    folds: int,
    members: int,
) -> EnsembleFolder:
    """The ensemble to go on with, its own draw kept; with a longer budget, changed on disk too."""
    had = {"folds": begun.folds, "members": len(begun.members), "method": begun.method,
           "seed": begun.members[0].seed}  # fmt: skip
    asked = {"folds": folds, "members": members, "method": options.method, "seed": options.seed}
    refuse_shared(begun.path)
    refuse_others(begun.path, had, asked, "ensemble")
    if read_split(begun.split) != {p: [case.id for case in getattr(cohort, p)] for p in PARTS}:
        raise CrlnError(
            f"{begun.path}: its members learn from another split, that of {begun.split}; resume "
            "it with that, or begin another ensemble"
        )
    own = replace(options, method=begun.method, seed=begun.members[0].seed, resume=False)
    _, now = settled(own, plan, begun.path)
    before = spelled_out(begun.method, begun.plan)  # with options that it did not know yet
    allowed_changes(begun.path, before, now)
    steps = begun.plan.training.iterations
    if now.training.iterations < steps:
        raise CrlnError(
            f"{begun.path}: has {steps} steps a member, {now.training.iterations} are asked for; "
            "give more --iterations"
        )
    changed = replace(begun, plan=now)
    changed.write()
    return changed
