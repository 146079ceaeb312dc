"""crln demo: the whole way on a cohort that the package makes itself."""

from pathlib import Path
from typing import Annotated

import typer

from crln.cli.options import Overwrite, Seed
from crln.cli.screen import console, examples

EXAMPLES = examples(
    "crln demo",
    "crln demo --out elsewhere --seed 1",
    "crln demo --fine --out fine-demo",
    "crln demo --review",
)


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")] = Path("demo"),
    seed: Seed = 0,
    iterations: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, show_default="the preset's", help="Steps of training."),
    ] = None,
    fine: Annotated[
        bool, typer.Option("--fine", help="Thin vessels and folded sheets, where Dice is blind.")
    ] = False,
    review: Annotated[
        bool,
        typer.Option(
            "--review",
            help="Then open the page that finishes a cohort; of a demo that is there, too.",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """See it work on scans that it makes itself.

    Makes a phantom cohort, learns from 4 labels and 12 scans without, and shows the result.
    """
    from crln.comparison.demo import COHORT, learnt, run_demo

    if not review or overwrite or learnt(out) is None:
        page = run_demo(
            out, seed=seed, fine=fine, iterations=iterations, overwrite=overwrite, say=console.print
        )
        console.print(f"look at {page}")
    if review:
        from crln.cli.review import serve
        from crln.reviewing import find_project

        serve(find_project(out / COHORT, out / "review", run=learnt(out), say=console.print))
