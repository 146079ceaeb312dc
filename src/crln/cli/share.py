"""crln share: a model to hand on."""

from pathlib import Path
from typing import Annotated

import typer

from crln.cli.screen import console, examples

EXAMPLES = examples("crln share run --out model", "crln share ensemble --out model")


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, or an ensemble's.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="The folder to make.")],
) -> None:
    """Make a model to hand on, without paths and names.

    It holds what prediction needs, and a model card to fill in.
    """
    import crln
    from crln.runs.card import CARD

    crln.share(run, out)
    console.print(
        f"model in {out}, for crln predict {out} SCANS --out MASKS; "
        f"its card {out / CARD} has a part to fill in"
    )
