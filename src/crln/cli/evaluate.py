"""crln evaluate: measure predictions against labels."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from crln.cli.options import Overwrite
from crln.cli.screen import console, examples
from crln.errors import CrlnError

EXAMPLES = examples(
    "crln evaluate masks data/labels --out results",
    "crln evaluate masks data/labels --run run --out results",
    "crln evaluate masks data/labels --out results --unit voxel --partial",
)


def command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Folder of masks, or one mask.")
    ],
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Folder of labels of the same cases, or one.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Writes FILE.csv and FILE.json.")],
    unit: Annotated[
        Literal["mm", "voxel"],
        typer.Option(help="Of distances: millimetres, or voxels as many papers give them."),
    ] = "mm",
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Only this model's test cases, and its plan's names of classes."
        ),
    ] = None,
    largest_component: Annotated[
        bool,
        typer.Option("--largest-component", help="Measure each class's largest component only."),
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out labels that have no prediction.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Measure Dice, Jaccard, 95% Hausdorff and surface distance of predicted masks."""
    import crln
    from crln.evaluation import evaluation_table

    evaluation = crln.evaluate(
        predictions, labels, unit=unit, largest_component=largest_component, partial=partial,
        **(_of_run(run) if run else {}),
    )  # fmt: skip
    written = evaluation.save(out, overwrite=overwrite)
    console.print(evaluation_table(evaluation, per_case=True))
    console.print(f"written: {', '.join(str(path) for path in written)}")


def _of_run(path: Path) -> dict[str, Any]:
    """The ids of a run's test cases and its foreground classes."""
    import crln
    from crln.cohort import read_split

    run = crln.open_run(path)
    cases = read_split(run.split)["test"]
    if not cases:
        raise CrlnError(f"{run.split}: the run kept no test case; evaluate without --run")
    return {"cases": cases, "classes": run.plan.labels.structures}
