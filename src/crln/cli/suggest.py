"""crln suggest: which scans to outline or check next."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from crln.cli.options import Data, Device, Overwrite, Precision, Seed, check_output
from crln.cli.parts import Group, Split
from crln.cli.screen import console, examples, show

EXAMPLES = examples(
    "crln suggest run data --n 5",
    "crln suggest ensemble data --n 3 --slices 5 --out next.csv",
    "crln suggest run data --among labelled",
)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, or an ensemble's.")],
    data: Data,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many scans.")] = 5,
    slices: Annotated[
        int,
        typer.Option(metavar="K", min=0, help="Of each scan K slices to outline; 0: none."),
    ] = 0,
    by: Annotated[
        Literal["doubt", "random"],
        typer.Option(help="random, the control: drawn among scans with an outline."),
    ] = "doubt",
    among: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART", show_default="unlabelled",
            help="Which scans: unlabelled, labelled, validation or test; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the suggestions there as CSV, too.")
    ] = None,
    seed: Seed = 0,
    split: Split = None,
    group: Group = None,
    device: Device = "auto",
    precision: Precision = "32",
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Suggest scans to outline or to check next.

    Those that the model doubts most, and that are unlike each other.
    """
    import crln
    from crln.evaluation.tables import Column, ResultTable, TableCell
    from crln.suggestion.suggest import save_suggestions

    if out:
        check_output(out, "--out", ".csv", overwrite=overwrite)
    cohort = crln.load_cohort(data, split=split, group=group)
    found = crln.suggest(
        run, cohort, n, by=by, slices=slices, among=among or ["unlabelled"], seed=seed,
        device=device, precision=precision, say=console.print,
    )  # fmt: skip
    columns = {"case": Column("scan", text=True), "doubt": Column("doubt")}
    if slices:
        columns["slices"] = Column("slices, from 0", text=True)
    columns["reason"] = Column("why", text=True)
    rows = [
        {
            "case": each.case, "doubt": f"{each.doubt:.2f}", "reason": each.reason,
            "slices": f"{'xyz'[each.axis or 0]} {', '.join(map(str, each.slices))}",
        }
        for each in found
    ]  # fmt: skip
    show(ResultTable(columns, [{k: TableCell(row[k]) for k in columns} for row in rows]))
    if out:
        save_suggestions(found, out, overwrite=overwrite)
        console.print(f"the same in {out}")
