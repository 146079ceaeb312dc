"""crln export-nnunet: the cohort as nnU-Net v2 reads it."""

from pathlib import Path
from typing import Annotated

import typer

from crln.cli.options import Data, Labelled, Seed, Sparse, Test, Validation
from crln.cli.parts import Group, Split, keep, split_data
from crln.cli.screen import console, examples

EXAMPLES = examples(
    "crln export-nnunet data --out nnUNet_raw --labelled 8 --test 20",
    "crln export-nnunet data --out nnUNet_raw --labelled 8 --id 508 --name Atrium",
)


def command(
    data: Data,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="nnU-Net's folder of raw data sets ($nnUNet_raw).")
    ],
    labelled: Labelled = None,
    test: Test = 0,
    validation: Validation = 0,
    seed: Seed = 0,
    sparse: Sparse = False,
    split: Split = None,
    group: Group = None,
    identifier: Annotated[
        int, typer.Option("--id", metavar="XXX", min=1, max=999, help="Number of the data set.")
    ] = 500,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="the folder's", help="Name of the data set."),
    ] = None,
) -> None:
    """Write scans and labels as a data set of nnU-Net v2.

    The labelled cases and the test scans.
    With the numbers and the seed of a comparison, the cases are those of its cells.
    """
    from crln.comparison import export_nnunet

    whole, cohort = split_data(
        data, labelled=labelled, validation=validation, test=test, seed=seed, split=split,
        group=group, sparse=sparse,
    )  # fmt: skip
    written = export_nnunet(cohort, out, identifier=identifier, name=name)
    keep(whole, cohort)
    console.print(
        f"{len(cohort.labelled)} labelled cases and {len(cohort.test)} test scans in {written}; "
        f"next: nnUNet_raw={out} nnUNetv2_plan_and_preprocess -d {identifier}"
    )
