"""crln evaluate: measure predictions against labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crln.cli.options import Fine, Overwrite, Sparse
from crln.cli.screen import console, examples, show
from crln.errors import CrlnError, counted

if TYPE_CHECKING:
    from crln.evaluation import Evaluation

EXAMPLES = examples(
    "crln evaluate masks data/labels --out results",
    "crln evaluate masks data/labels --run run --out results",
    "crln evaluate masks data/labels --out results --unit voxel",
    "crln evaluate masks data/labels --out results --tolerance 2,3=0.5",
    "crln evaluate masks data/labels --out results --fine",
)


def command(
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="Folder of masks, or one mask.")
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="Folder of labels of the same cases, or one; or a cohort, as a cohort.yaml.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Writes FILE.csv, FILE-cases.csv, FILE.json and the page FILE.html.",
        ),
    ],
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
    tolerance: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="Of normalised surface Dice (NSD), in the unit of distances; 1,3=0.5: 0.5 for the "
            "class of value 3.",
        ),
    ] = "1",
    fine: Fine = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="With --run: leave out test cases without a mask.")
    ] = False,
    overwrite: Overwrite = False,
    sparse: Sparse = False,
    no_page: Annotated[
        bool, typer.Option("--no-page", help="Do not write FILE.html, a page with pictures.")
    ] = False,
) -> None:
    """Measure predicted masks against labels.

    Dice, Jaccard, 95HD, ASD, NSD and volume (the mask's less the label's). Measures what has a mask
    and a label, and says what it left out. The page shows the worst cases first.
    """
    import crln
    from crln.evaluation.tables import case_table, evaluation_table

    look = None if no_page else _place(out, overwrite)
    evaluation = crln.evaluate(
        predictions, labels, unit=unit, largest_component=largest_component, partial=partial,
        sparse=sparse, fine=fine,
        tolerance=_tolerances(tolerance), **(_of_run(run) if run else {}),
    )  # fmt: skip
    written = evaluation.save(out, overwrite=overwrite)
    component = ", largest component" if largest_component else ""
    show(case_table(evaluation))
    console.print()
    show(evaluation_table(evaluation), counted(len(evaluation.cases), "case") + component)
    for line in evaluation.left_out.lines:
        console.print(line)
    console.print(f"written: {', '.join(str(path) for path in written)}")
    if look:
        _show_page(evaluation, look, predictions, labels, run, overwrite)


def _place(out: Path, overwrite: bool) -> Path:
    """Where the page goes; that one is there is told before hours of measuring."""
    from crln.report import page_beside

    return page_beside(out, overwrite=overwrite)


def _show_page(
    evaluation: "Evaluation",
    page: Path,
    predictions: Path,
    labels: Path,
    run: Path | None,
    overwrite: bool,
) -> None:
    """Writes the page, with the scans where they can be found, and says where it is."""
    from crln.evaluation.pairing import find_scans
    from crln.report import write_evaluation

    data = _data(run) if run else []
    facts = {"masks": predictions, "labels": labels, **({"test cases of": run} if run else {})}
    write_evaluation(
        evaluation, page, scans=find_scans(labels, *data), facts=facts, overwrite=overwrite
    )
    console.print(f"look at {page}")


def _data(run: Path) -> list[Path]:
    """Where a model's cohort lay, if it says so: one that was handed on does not."""
    from crln.runs.ensemble import predicting_runs

    try:
        places = [Path(each.facts.data) for each in predicting_runs(run)[:1]]
    except CrlnError:  # a member has not begun
        return []
    return [place for place in places if place.parts]


def _tolerances(text: str) -> dict[int | None, float]:
    """Label value to tolerance; None for all other classes."""
    found: dict[int | None, float] = {}
    for word in text.split(","):
        value, named, size = word.rpartition("=")
        try:
            tolerance = float(size)
            found[int(value) if named else None] = tolerance
        except ValueError:
            tolerance = -1
        if not 0 <= tolerance < float("inf"):
            raise CrlnError(f"--tolerance {word}: write a distance like 2, or VALUE=2 for a class")
    return found


def _of_run(path: Path) -> dict[str, Any]:
    """The ids of a run's test cases and its foreground classes."""
    import crln
    from crln.cohort import read_split
    from crln.runs import is_ensemble

    run = crln.open_ensemble(path) if is_ensemble(path) else crln.open_run(path)
    cases = read_split(run.split)["test"]
    if not cases:
        raise CrlnError(
            f"{run.split}: the run kept no test case, and masks of cases that it learnt from tell "
            "little; train with --test N"
        )
    return {"cases": cases, "classes": run.plan.labels}
