"""What the verbs that split a cohort share: its options, and what is said of the split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crln.cli.screen import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crln.cohort import Cohort

Split = Annotated[
    str | None,
    typer.Option(
        metavar="RUN|FILE", show_default="split.yaml beside the data",
        help="The split of a run, of a file, or of nnU-Net's splits_final.json@FOLD; new: drawn "
        "anew.",
    ),
]  # fmt: skip
Group = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help=r"Regular expression on names that tells the patient, such as 'patient(\d+)'; all "
        "scans of one stay on one side of every split.",
    ),
]


def split_data(
    data: Path,
    *,
    labelled: int | None,
    validation: int,
    test: Any,
    seed: int,
    split: str | None,
    group: str | None,
    sparse: bool,
    learn_test: "Sequence[str]" = (),
) -> "tuple[Cohort, Cohort]":
    """The cohort as loaded, and in its parts; says which split was found there."""
    import crln
    from crln.cohort import split_lines

    whole = crln.load_cohort(data, sparse=sparse, split=split, group=group, learn_test=learn_test)
    cohort = crln.split_cohort(
        whole, labelled=labelled, validation=validation, test=test, seed=seed
    )
    for line in split_lines(whole):
        console.print(line)
    return whole, cohort


def tell_learnt(whole: "Cohort", cohort: "Cohort") -> None:
    """Says which cases are learnt from that the split beside the data keeps for the test."""
    from crln.cohort import open_split, split_beside

    beside = split_beside(whole.root)
    if not beside.is_file():
        return
    tested = set(open_split(beside).of("test"))
    if learnt := [case.id for case in cohort.labelled + cohort.validation if case.id in tested]:
        more = f" and {len(learnt) - 3} more" if len(learnt) > 3 else ""
        console.print(
            f"learns from {', '.join(learnt[:3])}{more}, which {beside} keeps for the test: no "
            "measure of this model"
        )


def keep(whole: "Cohort", cohort: "Cohort") -> None:
    """Keeps who was drawn for the test, and says so."""
    from crln.cohort import keep_split

    if line := keep_split(whole, cohort):
        console.print(line)
