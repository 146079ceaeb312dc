"""Arguments and options that several verbs have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="Folder of scans and labels (any known layout), or a cohort.yaml."
    ),
]
Labelled = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, show_default="all",
        help="Learn from N of the labels; the other scans count as unlabelled.",
    ),
]  # fmt: skip
Test = Annotated[
    int, typer.Option(metavar="N", min=0, help="Keep the last N labelled cases for a test.")
]
Validation = Annotated[
    int, typer.Option(metavar="N", min=0, help="Keep N labelled cases to choose a checkpoint.")
]
Preset = Annotated[
    str | None,
    typer.Option(help="Start from a preset: la, pancreas, brats19, hippocampus or phantom."),
]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="Of every random draw.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(help="Where to compute; auto takes a GPU if there is one (mps: Apple's)."),
]
Precision = Annotated[
    Literal["32", "bf16", "16"],
    typer.Option(help="Of the networks; losses are always computed in 32 bits."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output that exists.")]
