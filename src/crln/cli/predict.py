"""crln predict: outline scans with a trained model."""

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from crln.cli.options import Device, Overwrite, Precision
from crln.cli.screen import complain, console, examples
from crln.errors import CrlnError

EXAMPLES = examples(
    "crln predict run scan.nii.gz --out masks",
    "crln predict run data/images --out masks --largest-component",
    "crln predict run dicom-series other.nrrd --out masks --uncertainty",
    "crln predict run data/images --out masks --share   in as many processes as you like",
)

SOME_FAILED = 1
"""Exit code where some scans of many could not be outlined."""


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The model folder.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="Scans, folders of scans, DICOM series."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the masks.")],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write each class's probability too.")
    ] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Write the probabilities' entropy too.")
    ] = False,
    largest_component: Annotated[
        bool,
        typer.Option("--largest-component", help="Keep each class's largest component only."),
    ] = False,
    overlap: Annotated[
        float | None,
        typer.Option(
            metavar="F", min=0, max=0.95, show_default="the plan's",
            help="Share of a window that its neighbour covers too.",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "32",
    overwrite: Overwrite = False,
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            help="Share the scans with other processes that run this very command; masks that "
            "exist are done.",
        ),
    ] = False,
) -> None:  # fmt: skip
    """Outline scans; each mask has the format and the geometry of its scan."""
    import crln
    from crln.inference import Outcome, predict_files

    done = count(1)

    def show(outcome: Outcome, total: int) -> None:
        how = "failed" if outcome.error else f"{outcome.seconds:.1f} s"
        console.print(f"{next(done)}/{total} {outcome.case}: {how}")

    outcomes = predict_files(
        crln.load_predictor(run, device, precision, overlap=overlap), inputs, out,
        probabilities=probabilities, uncertainty=uncertainty,
        largest_component=largest_component, overwrite=overwrite, share=share,
        progress=show,
    )  # fmt: skip
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors and len(outcomes) == 1:
        raise CrlnError(errors[0])
    whose = " by this process" if share else ""
    console.print(f"{len(outcomes) - len(errors)} of {len(outcomes)} masks in {out}{whose}")
    for error in errors:
        complain(error)
    if errors:
        raise typer.Exit(SOME_FAILED)
