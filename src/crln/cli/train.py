"""crln train: learn from a cohort."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crln.cli.options import Data, Labelled, Preset, Test, Validation, with_training
from crln.cli.screen import console, examples
from crln.errors import CrlnError
from crln.training.options import Training

if TYPE_CHECKING:
    from crln.cohort import Cohort
    from crln.planning import Plan
    from crln.runs import RunFolder

EXAMPLES = examples(
    "crln train data --out run",
    "crln train data --out run --labelled 8 --test 20 --validation 4",
    "crln train data --out run --preset la --iterations 2000",
    "crln train data --out run --plan plan.yaml --method mean_teacher",
    "crln train data --out run --resume",
    "crln train data --out run --resume --iterations 8000",
    "crln train more-data --out second --start-from run",
    "crln train data --out run --preset la --devices 2",
)


@with_training
def command(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run folder to write.")],
    labelled: Labelled = None,
    test: Test = 0,
    validation: Validation = 0,
    preset: Preset = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan: `crln plan` writes one to edit.")
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, show_default="the plan's", help="Steps of training."),
    ] = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Use the method's published optimiser, scaled to the budget."
        ),
    ] = False,
    **options: Any,
) -> None:
    """Learn from labelled and unlabelled scans.

    The result is a run folder.
    """
    import crln
    from crln.parallel.launch import is_first

    chosen = Training(**options)
    begun = crln.open_run(out) if chosen.resume and (out / "run.yaml").exists() else None
    method = chosen.method or (begun.facts.method if begun else "crln")
    cohort = _split(crln.load_cohort(data), begun, chosen, labelled, validation, test)
    decided = _choose_plan(cohort, plan, preset, iterations, begun.plan if begun else None)
    if published:
        decided = _as_published(decided, plan, method)
    console.quiet = not is_first()  # torchrun and srun run this line in every process
    console.print(
        f"{method}: {len(cohort.labelled)} labelled, {len(cohort.unlabelled)} unlabelled, "
        f"{len(cohort.validation)} validation and {len(cohort.test)} test cases; "
        f"{decided.training.iterations} steps"
    )
    run = crln.train(cohort, decided, out, chosen)
    console.print(f"model in {run.path}; next: crln predict {run.path} SCANS --out MASKS")


def _split(
    cohort: "Cohort",
    begun: "RunFolder | None",
    chosen: Training,
    labelled: int | None,
    validation: int,
    test: Any,
) -> "Cohort":
    """The split of the run to resume, unless another is asked for."""
    from crln.cohort import apply_split, split_cohort

    if begun and begun.split.exists() and labelled is None and not test and not validation:
        return apply_split(cohort, begun.split)
    seed = chosen.seed if chosen.seed is not None else begun.facts.seed if begun else 0
    return split_cohort(cohort, labelled=labelled, validation=validation, test=test, seed=seed)


def _choose_plan(
    cohort: "Cohort",
    path: Path | None,
    preset: str | None,
    iterations: int | None,
    begun: "Plan | None",
) -> "Plan":
    """The plan of the file, of the run to resume, or one made for the cohort."""
    from crln.planning import Plan, make_plan

    if path and preset:
        raise CrlnError(f"--plan {path} and --preset {preset} exclude each other; give one")
    changes = {"training": {"iterations": iterations}} if iterations else {}
    if path:
        return Plan.read(path).updated(changes)
    if begun and not preset:
        return begun.updated(changes)
    return make_plan(cohort, preset=preset, changes=changes)


def _as_published(plan: "Plan", path: Path | None, method: str) -> "Plan":
    """The plan with the optimiser and rates of the method's paper."""
    from crln.methods import published_rates

    if path:
        raise CrlnError(f"--plan {path} and --published exclude each other; give one")
    return plan.updated({"training": published_rates(method, plan.training.iterations)})
