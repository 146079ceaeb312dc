"""crln predict: outline scans with a trained model."""

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crln.cli.options import Device, NoPage, Overwrite, Precision
from crln.cli.screen import complain, console, examples
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.inference import Outcome

EXAMPLES = examples(
    "crln predict run scan.nii.gz --out masks",
    "crln predict run data/images --out masks --largest-component",
    "crln predict run scan.nii.gz --out masks --mirror x,y --overlap 0.75",
    "crln predict run dicom-series other.nrrd --out masks --uncertainty",
    "crln predict run dicom-series --out masks --format dicom-seg",
    "crln predict run data/images --out masks --skip-existing  # new scans alone",
    "crln predict run data/images --out masks --share  # in several processes",
)

SOME_FAILED = 1
"""Exit code where some scans of many could not be outlined."""


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, or an ensemble's.")],
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
    largest_component_of: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="The same for this class alone; may be repeated."),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="AXES", show_default="the plan's",
            help="Average over mirrored views along axes, such as x,y; 2 to 8 times the time.",
        ),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(
            metavar="F", min=0, max=0.95, show_default="the plan's",
            help="Share of a window that its neighbour covers too.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT", show_default="the scan's",
            help="Of the masks: nifti, nrrd, metaimage; of DICOM series dicom-seg, rtstruct too.",
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "32",
    overwrite: Overwrite = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing", help="Leave masks that exist as they are, and outline the others."
        ),
    ] = False,
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            help="Share the scans with other processes that run this very command; masks that "
            "exist are done.",
        ),
    ] = False,
    second_look: Annotated[
        bool,
        typer.Option(
            "--second-look",
            help="Compare with another network of the same training, for a better score; twice the "
            "time.",
        ),
    ] = False,
    no_page: NoPage = False,
) -> None:  # fmt: skip
    """Outline scans with a trained model.

    Each mask has the format and the geometry of its scan.
    """
    import crln

    done = count(1)

    def show(outcome: "Outcome", total: int) -> None:
        how = "failed" if outcome.error else f"{outcome.seconds:.1f} s"
        console.print(f"{next(done)}/{total} {outcome.case}: {how}")

    changes: dict[str, Any] = {} if overlap is None else {"overlap": overlap}
    if mirror is not None:
        changes["mirror_axes"] = _axes(mirror)
    predictor = crln.load_predictor(
        run, device, precision, inference=changes, second_look=second_look
    )
    outcomes = crln.predict_files(
        predictor, inputs, out,
        probabilities=probabilities, uncertainty=uncertainty,
        largest_component=largest_component or largest_component_of or False,
        format=format, overwrite=overwrite, skip_existing=skip_existing, share=share,
        page=not no_page, progress=show,
    )  # fmt: skip
    _tell(outcomes, f"{out} by this process" if share else str(out), None if no_page else out)


def _tell(outcomes: "list[Outcome]", where: str, page: Path | None) -> None:
    """Says what became of all scans, and in which folder there is a page that shows them.

    Raises:
        CrlnError: the only scan failed.
        typer.Exit: some of many failed.
    """
    kept = sum(outcome.kept for outcome in outcomes)
    fresh = [outcome for outcome in outcomes if not outcome.kept]
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors and len(outcomes) == 1:
        raise CrlnError(errors[0])
    if kept:
        console.print(f"{kept} {'mask was' if kept == 1 else 'masks were'} there")
    if fresh or not kept:
        done = sum(outcome.mask is not None for outcome in fresh)
        look = f"; look at them: {page / 'index.html'}" if page and done else ""
        console.print(f"{done} of {len(fresh)} masks in {where}{look}")
    for error in errors:
        complain(error)
    if errors:
        raise typer.Exit(SOME_FAILED)


def _axes(text: str) -> tuple[int, ...]:
    """Axes by their letters, "x,y" -> (0, 1); "" for none."""
    letters = [letter.strip().lower() for letter in text.split(",") if letter.strip()]
    if strange := next((letter for letter in letters if letter not in ("x", "y", "z")), None):
        raise CrlnError(f"--mirror {text}: no axis {strange!r}; give some of x,y,z")
    return tuple(sorted({"xyz".index(letter) for letter in letters}))
