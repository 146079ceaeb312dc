"""How a training is run: one object for the command line, Python and jobs."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints


@dataclass(frozen=True)
class Intervals:
    """Steps between events; None: a share of the training that suits most.

    Attributes:
        log: between rows of the log; default a fiftieth, at most 10.
        checkpoint: between checkpoints; default a twentieth, at most 500.
        validation: between validations; default a tenth.
        seconds: between checkpoints at most, to the next row of the log.
    """

    log: int | None = None
    checkpoint: int | None = None
    validation: int | None = None
    seconds: float = 300.0

    def settled(self, total: int) -> tuple[int, int, int]:
        """The three numbers of steps for a training of `total`."""
        return (
            self.log or max(1, min(10, total // 50)),
            self.checkpoint or max(1, min(500, total // 20)),
            self.validation or max(1, total // 10),
        )


class Option:
    """What a field is for: the text of `--help` and of Python's documentation.

    Attributes:
        help: a sentence or two.
        cli: what typer is told besides; None: it is no option of the command line.
    """

    def __init__(self, help: str, *, shown: bool = True, **cli: Any) -> None:
        self.help = help
        self.cli = cli if shown else None


@dataclass(frozen=True)
class Training:
    """What a training is told besides its cohort, its plan and its folder.

    Every field is an argument of `crln.train` and, but for the last two, an option of `crln train`.

    Examples:
        >>> options = crln.Training(method="mean_teacher", seed=1)
    """

    method: Annotated[
        str | None,
        Option(
            "How to learn: crln, supervised or a peer (see the reference).",
            metavar="NAME",
            show_default="crln, or the run's",
        ),
    ] = None
    seed: Annotated[
        int | None,
        Option("Of every random draw.", metavar="S", min=0, show_default="0, or the run's"),
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        Option("Where to compute; auto takes a GPU if there is one."),
    ] = "auto"
    precision: Annotated[
        Literal["32", "bf16", "16"] | None,
        Option(
            "Of the networks; losses are always computed in 32 bits.",
            show_default="32, or the run's",
        ),
    ] = None
    devices: Annotated[
        int | None,
        Option(
            "Processes (GPUs) on this machine; they divide each step's patches among them.",
            metavar="N", min=1, show_default="1, or what torchrun or srun started",
        ),
    ] = None  # fmt: skip
    nodes: Annotated[
        int | None,
        Option(
            "Machines; several are started by torchrun or srun.",
            metavar="M", min=1, show_default="1, or what torchrun or srun started",
        ),
    ] = None  # fmt: skip
    resume: Annotated[
        bool,
        Option("Go on with the run in RUN that was cut off, or further with more --iterations."),
    ] = False
    start_from: Annotated[
        Path | None,
        Option(
            "Begin with the weights of another run's student and teacher, as far as they fit.",
            metavar="RUN",
        ),
    ] = None
    pretrain: Annotated[
        Literal["none", "episodes", "denoise", "masked"] | None,
        Option(
            "Begin with a first stage on all scans, without labels: episodes, denoise or masked.",
            metavar="TASK", show_default="the plan's",
        ),
    ] = None  # fmt: skip
    distil: Annotated[
        Path | None,
        Option(
            "Teach one network what an ensemble outlines, in all scans to learn from.",
            metavar="ENSEMBLE",
        ),
    ] = None
    overwrite: Annotated[bool, Option("Replace output that exists.")] = False
    transductive: Annotated[
        bool,
        Option("Learn from the scans (never the labels) of validation and test cases too."),
    ] = False
    cache: Annotated[
        Path | None,
        Option(
            "Where prepared scans are kept.",
            metavar="DIR", show_default="$CRLN_CACHE or ~/.cache/crln",
        ),
    ] = None  # fmt: skip
    tensorboard: Annotated[bool, Option("Write the log for TensorBoard, too.")] = False
    page: Annotated[bool, Option("Write index.html, a page about the run.")] = True
    progress: Annotated[bool, Option("Show how far it is.", shown=False)] = True
    intervals: Annotated[
        Intervals, Option("Steps between rows of the log, checkpoints, validations.", shown=False)
    ] = Intervals()


def documented() -> dict[str, tuple[Any, Any, Option]]:
    """Each field's type, default and text."""
    hints = get_type_hints(Training, include_extras=True)
    found = {}
    for each in fields(Training):
        kind, option = get_args(hints[each.name])
        found[each.name] = kind, each.default, option
    return found


Training.__doc__ = f"{Training.__doc__}\n    Attributes:\n" + "\n".join(
    f"        {name}: {option.help}" for name, (_, _, option) in documented().items()
)
