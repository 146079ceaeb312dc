"""crln train: learn from a cohort."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from crln.cli.budget import Hours, Quick, check_hours, planned, within_hours
from crln.cli.earlier import Begun, earlier, given_plan
from crln.cli.options import (
    Data,
    Iterations,
    JobCount,
    JobOption,
    Labelled,
    Preset,
    Slurm,
    Sparse,
    Test,
    Validation,
    chosen_training,
    job_options,
    with_training,
)
from crln.cli.parts import Group, Split, keep, split_data, tell_learnt
from crln.cli.screen import console, examples
from crln.errors import CrlnError
from crln.training.options import Training

if TYPE_CHECKING:
    from crln.cohort import Cohort
    from crln.jobs import Jobs
    from crln.planning import Plan
    from crln.runs import EnsembleFolder

EXAMPLES = examples(
    "crln train data --out run",
    "crln train data --out run --labelled 8 --test 20 --validation 4",
    "crln train data --out run --preset la --iterations 2000",
    "crln train data --out run --plan plan.yaml --method mean_teacher",
    "crln train data --out first-look --quick --hours 0.5",
    "crln train data --out run --resume",
    "crln train data --out run --resume --iterations 8000",
    "crln train more-data --out second --start-from run",
    "crln train data --out run --pretrain masked",
    "crln train data --out run --folds 5",
    "crln train data --out small --distil run",
    "crln train data --out run --folds 1 --members 3 --jobs 3",
    "crln train data --out run --preset la --devices 2",
)


@with_training
def command(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder to write.")],
    labelled: Labelled = None,
    test: Test = 0,
    validation: Validation = 0,
    split: Split = None,
    group: Group = None,
    learn_test: Annotated[
        str | None,
        typer.Option(
            metavar="IDS",
            help="Test cases of an earlier split to learn from after all, by name (a,b), or all.",
        ),
    ] = None,
    preset: Preset = None,
    sparse: Sparse = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan: `crln plan` writes one to edit.")
    ] = None,
    iterations: Iterations = None,
    hours: Hours = None,
    quick: Quick = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Use the method's published optimiser, scaled to the budget."
        ),
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, show_default="no ensemble",
            help="An ensemble: each of K trainings leaves out a Kth of the labelled cases, which "
            "then tell how good it is. 1: none is left out.",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            metavar="M", min=2, show_default="one a fold",
            help="Trainings of the ensemble, each with another seed.",
        ),
    ] = None,
    jobs: JobCount = None,
    slurm: Slurm = False,
    job_option: JobOption = [],  # noqa: B006
    **options: Any,
) -> None:  # fmt: skip
    """Learn from labelled and unlabelled scans.

    The result is a run folder; with --folds or --members, a folder of several.
    """
    import crln
    from crln.jobs import Jobs
    from crln.methods import find_method
    from crln.parallel.launch import find_launch, is_first
    from crln.runs.folder import ENSEMBLE, FACTS
    from crln.runs.lifecycle import taken

    chosen = chosen_training(options)
    begun, teacher = earlier(out, chosen)
    known = begun or teacher
    method = chosen.method or (known.method if known else "crln")
    find_method(method)  # a wrong name is told before anything is read
    console.quiet = not is_first()  # torchrun and srun run this line in every process
    if chosen.resume and begun is None:
        console.print(f"{out}: nothing to resume there, a new training")
    if not chosen.resume:
        several = folds is not None or members is not None
        taken(out, ENSEMBLE if several else FACTS, chosen.overwrite)  # before a split is drawn
    alone = not begun and find_launch(chosen.devices, chosen.nodes).count == 1
    check_hours(hours, iterations, alone)
    given = given_plan(plan, preset, quick, begun, teacher)
    learn = tuple(learn_test.split(",")) if learn_test else ()
    asked = _Asked(labelled, validation, test, split, group, learn, sparse)
    cohort = _split(data, known, chosen, asked)
    decided = given or planned(cohort, preset, quick, chosen.device)
    if iterations:
        decided = decided.updated({"training": {"iterations": iterations}})
    if chosen.pretrain:
        decided = decided.updated({"pretrain": {"task": chosen.pretrain}})
    parts, as_jobs = _parts(folds, members, begun), jobs is not None or slurm
    decided = within_hours(
        decided, hours, method, chosen.device, chosen.precision or "32",
        members=parts[1] if parts and not as_jobs else 1,
    )  # fmt: skip
    if published:
        decided = _as_published(decided, plan, method)
    console.print(
        f"{method}: {len(cohort.labelled)} labelled, {len(cohort.unlabelled)} unlabelled, "
        f"{len(cohort.validation)} validation and {len(cohort.test)} test cases; "
        f"{decided.training.iterations} steps"
    )
    where = Jobs(jobs, slurm, job_options(job_option, slurm)) if as_jobs else Jobs(here=True)
    if parts:
        _train_ensemble(cohort, decided, out, chosen, parts, where)
    elif as_jobs:
        raise CrlnError("--jobs and --slurm are for the members of an ensemble; add --folds")
    else:
        crln.train(cohort, decided, out, chosen)
    look = f", its page {out / 'index.html'}" if chosen.page else ""
    console.print(f"model in {out}{look}; next: crln predict {out} SCANS --out MASKS")


def _parts(folds: int | None, members: int | None, begun: Begun | None) -> tuple[int, int] | None:
    """Folds and members of the ensemble that is asked for; None for a single training."""
    if folds is None and members is None:
        return begun.parts if begun else None
    asked = folds or members or 1
    if asked == 1 and members is None:
        raise CrlnError("--folds 1 is no ensemble by itself; add --members, or leave it out")
    return asked, members or asked


def _train_ensemble(
    cohort: "Cohort",
    plan: "Plan",
    out: Path,
    chosen: Training,
    parts: tuple[int, int],
    jobs: "Jobs",
) -> None:
    """Trains the members, and measures them by what they left out."""
    import crln
    from crln.cli.screen import show
    from crln.evaluation.tables import evaluation_table

    folds, members = parts
    ensemble = crln.train_ensemble(
        cohort, plan, out, chosen, folds=folds, members=members, jobs=jobs, say=console.print
    )
    if folds > 1:
        found = crln.out_of_fold(
            ensemble, cohort, device=chosen.device, precision=chosen.precision or "32", say=str
        )
        count = len(found.cases)
        show(evaluation_table(found), f"{count} labelled cases, by members that never saw them")
        _tell_quality(ensemble)


def _tell_quality(ensemble: "EnsembleFolder") -> None:
    """What the left-out cases tell of the whole, and of single labels."""
    quality = ensemble.quality
    if quality is None:
        return
    estimates: dict[str, list[str]] = {}
    for each in quality.estimate:
        estimates.setdefault(each.structure, []).append(str(each))
    console.print(
        "estimate for scans of the same kind, rather too low: each member saw fewer labels, and "
        "together they outline better (95 % intervals of the mean, Student's t)"
    )
    for name, told in estimates.items():
        console.print(f"  {name}: {', '.join(told)}")
    for case, words in quality.labels.items():
        console.print(f"look at the outline of {case}: {'; '.join(words)}")


class _Asked(NamedTuple):
    """The split that the command line asks for."""

    labelled: int | None
    validation: int
    test: Any
    split: str | None
    group: str | None
    learn_test: tuple[str, ...]
    sparse: bool

    def means(self, cohort: "Cohort") -> bool:
        """Whether it asks for the split of a run that is to be resumed, as the same line does."""
        from crln.cohort.held_out import means_same

        return (
            self.labelled in (None, len(cohort.labelled))
            and self.validation in (0, len(cohort.validation))
            and (not self.test or means_same(cohort, "test", self.test))
        )


def _split(data: Path, begun: Begun | None, chosen: Training, asked: _Asked) -> "Cohort":
    """The split of the run to resume, or of the teacher, unless another is asked for."""
    import crln
    from crln.cohort import NEW, apply_split, check_never_taught, check_never_tested

    seed = chosen.seed if chosen.seed is not None else begun.seed if begun else 0
    if begun and begun.split.exists():
        resumed = apply_split(
            crln.load_cohort(data, sparse=asked.sparse, split=NEW, group=asked.group), begun.split
        )
        if asked.means(resumed):
            return resumed
    whole, cohort = split_data(
        data, labelled=asked.labelled, validation=asked.validation, test=asked.test, seed=seed,
        split=asked.split, group=asked.group, learn_test=asked.learn_test, sparse=asked.sparse,
    )  # fmt: skip
    if chosen.start_from:
        check_never_tested(cohort, chosen.start_from, asked.learn_test)
    if chosen.distil:
        check_never_taught(cohort, chosen.distil)
    tell_learnt(whole, cohort)
    keep(whole, cohort)
    return cohort


def _as_published(plan: "Plan", path: Path | None, method: str) -> "Plan":
    """The plan with the optimiser and rates of the method's paper."""
    from crln.methods import published_rates

    if path:
        raise CrlnError(f"--plan {path} and --published exclude each other; give one")
    return plan.updated({"training": published_rates(method, plan.training.iterations)})
