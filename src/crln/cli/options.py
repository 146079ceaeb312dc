"""Arguments and options that several verbs have."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from crln.errors import CrlnError
from crln.training.options import Option, Training, documented

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="Folder of scans and labels (any known layout), or a cohort.yaml."
    ),
]
Sparse = Annotated[
    bool,
    typer.Option(
        "--sparse",
        help="Of every label only the slices that hold anything were outlined; of the others "
        "nothing is known.",
    ),
]
Fine = Annotated[
    bool,
    typer.Option("--fine", help="Measure thin parts, surfaces and topology too; slower."),
]
Labelled = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, show_default="all",
        help="Learn from N of the labels; the other scans count as unlabelled.",
    ),
]  # fmt: skip


def _held(text: str) -> object:
    from crln.cohort.held_out import parse_held

    return parse_held(text)


Test = Annotated[
    Any,
    typer.Option(
        metavar="TEST", parser=_held,
        help="Labelled cases to keep for a test: the last N, a share (20%), ids (a,b,c), or a file "
        "with an id a line.",
    ),
]  # fmt: skip
Validation = Annotated[
    int, typer.Option(metavar="N", min=0, help="Keep N labelled cases to choose a checkpoint.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Start from a preset: la, pancreas, brats19, hippocampus or phantom."
    ),
]
Iterations = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, show_default="the plan's", help="Steps of training."),
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
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        show_default="$CRLN_CACHE or ~/.cache/crln",
        help="Where prepared scans are kept.",
    ),
]
JobCount = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, show_default="1; with --slurm all at once",
        help="How many trainings run at a time.",
    ),
]  # fmt: skip
Slurm = Annotated[bool, typer.Option("--slurm", help="Run each training as a Slurm job.")]
JobOption = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE",
        help="Of the Slurm jobs: slurm_partition, gpus_per_node, cpus_per_task, mem_gb, ...",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output that exists.")]
NoPage = Annotated[
    bool, typer.Option("--no-page", help="Do not write index.html, a page with pictures.")
]


def check_output(path: Path, option: str, *endings: str, overwrite: bool) -> None:
    """Refuses a file that exists, unless it may be replaced and is of the kind to be written.

    A scan whose name was typed in its place stays, `--overwrite` or not.

    Args:
        path: to write to.
        option: that names it.
        endings: of files that may be replaced.
        overwrite: whether they may.

    Raises:
        CrlnError: the file stays.
    """
    if not path.exists():
        return
    if not overwrite:
        raise CrlnError(f"{path}: exists; give another {option}, or --overwrite")
    if path.suffix.lower() not in endings or path.is_dir():
        raise CrlnError(
            f"{path}: is no {endings[0]} file, so it is not replaced; give another {option}"
        )


def with_training(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a verb an option for each field of `Training`, in place of its `**options`.

    Typer reads a verb's signature: a new field is an option, and nothing else needs an edit.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    more = [
        _switch(name, kind, default, text)
        for name, (kind, default, text) in documented().items()
        if text.cli is not None
    ]
    wanted = signature.replace(parameters=[*own, *more])
    command.__signature__ = wanted  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in wanted.parameters.values()}
    return command


def _switch(name: str, kind: Any, default: Any, text: Option) -> inspect.Parameter:
    """An option of the command line; what is on has one that switches it off."""
    help = text.help
    if default is True:
        name, default, help = f"no_{name}", False, f"Do not {help[0].lower()}{help[1:]}"
    option = typer.Option(f"--{name.replace('_', '-')}", help=help, **(text.cli or {}))
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def chosen_training(options: Mapping[str, Any]) -> Training:
    """What the options that `with_training` gives a verb ask for."""
    told: dict[str, Any] = {
        name.removeprefix("no_"): not value if name.startswith("no_") else value
        for name, value in options.items()
    }
    return Training(**told)


def job_options(words: list[str], slurm: bool) -> dict[str, Any]:
    """What `--job-option` says, by name.

    Raises:
        CrlnError: without Slurm, or a word that is not NAME=VALUE.
    """
    if words and not slurm:
        raise CrlnError("--job-option is for Slurm jobs; add --slurm or leave it out")
    from crln.files import from_yaml

    options = {}
    for word in words:
        name, found, value = word.partition("=")
        if not found:
            raise CrlnError(f"--job-option {word}: write NAME=VALUE")
        try:
            options[name] = from_yaml(value)
        except ValueError as error:
            raise CrlnError(f"--job-option {word}: {error}; write NAME=VALUE") from error
    return options
