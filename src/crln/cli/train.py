"""crln train: learn from a cohort."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crln.cli.options import (
    Data,
    Device,
    Labelled,
    Overwrite,
    Precision,
    Preset,
    Seed,
    Test,
    Validation,
)
from crln.cli.screen import console, examples
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.cohort import Cohort
    from crln.planning import Plan

EXAMPLES = examples(
    "crln train data --out run",
    "crln train data --out run --labelled 8 --test 20 --validation 4",
    "crln train data --out run --preset la --iterations 2000",
    "crln train data --out run --plan plan.yaml --method mean_teacher",
    "crln train data --out run --resume",
    "crln train data --out run --preset la --devices 2",
)


def command(
    data: Data,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The model folder to write.")],
    method: Annotated[
        str, typer.Option(help="How to learn: crln, supervised or a peer (see the reference).")
    ] = "crln",
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
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "32",
    devices: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="1, or what torchrun or srun started",
            help="Processes (GPUs) on this machine; they divide each step's patches among them.",
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            metavar="M", min=1, show_default="1, or what torchrun or srun started",
            help="Machines; several are started by torchrun or srun.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in RUN that was cut off.")
    ] = False,
    overwrite: Overwrite = False,
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive",
            help="Learn from the scans (never the labels) of validation and test cases too.",
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default="$CRLN_CACHE or ~/.cache/crln",
            help="Where prepared scans are kept.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Learn from labelled and unlabelled scans.

    The result is a model folder.
    """
    import crln
    from crln.cohort import apply_split
    from crln.training import is_first

    cohort = crln.load_cohort(data)
    begun = crln.open_run(out) if resume and (out / "run.yaml").exists() else None
    if begun and begun.split.exists() and labelled is None and not test and not validation:
        cohort = apply_split(cohort, begun.split)
    else:
        cohort = crln.split_cohort(
            cohort, labelled=labelled, validation=validation, test=test, seed=seed
        )
    decided = begun.plan if begun else None
    chosen = _choose_plan(cohort, plan, preset, iterations, decided)
    if published:
        chosen = _as_published(chosen, plan, method)
    console.quiet = not is_first()  # torchrun and srun run this line in every process
    console.print(
        f"{method}: {len(cohort.labelled)} labelled, {len(cohort.unlabelled)} unlabelled, "
        f"{len(cohort.validation)} validation and {len(cohort.test)} test cases; "
        f"{chosen.training.iterations} steps"
    )
    run = crln.train(
        cohort, chosen, out, method=method, seed=seed, device=device, precision=precision,
        devices=devices, nodes=nodes,
        resume=resume, overwrite=overwrite, transductive=transductive, cache=cache,
    )  # fmt: skip
    console.print(f"model in {run.path}; next: crln predict {run.path} SCANS --out MASKS")


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
    from crln.methods import find_method

    if path:
        raise CrlnError(f"--plan {path} and --published exclude each other; give one")
    rates = find_method(method).published.training(plan.training.iterations)
    return plan.updated({"training": rates})
