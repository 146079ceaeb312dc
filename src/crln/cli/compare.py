"""crln compare: methods side by side on a person's own cohort."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from crln.cli.options import (
    Cache,
    Data,
    Device,
    Fine,
    Iterations,
    JobCount,
    JobOption,
    Precision,
    Preset,
    Slurm,
    Sparse,
    Test,
    Validation,
    job_options,
)
from crln.cli.parts import Group, Split
from crln.cli.screen import console, examples, show
from crln.errors import CrlnError, counted

if TYPE_CHECKING:
    from crln.comparison import Comparison, Outside
    from crln.comparison.standing import Standing

EXAMPLES = examples(
    "crln compare data --methods supervised crln --labelled 8 --test 20 --out it",
    "crln compare data --methods supervised mean_teacher crln supervised_all \\",
    "    --labelled 8 16 --seeds 0 1 2 --iterations 4000 --test 20 --out it",
    "crln compare data --methods crln 'crln[signed=false]' 'bcp[published]' \\",
    "    --reference crln --labelled 8 --test 20 --out it",
    "crln compare data --ablation --labelled 8 --test 20 --out ablation",
    "crln compare data --methods supervised crln --labelled 8 --test 20 \\",
    "    --out it --with nnunet-masks nnunet",
)


STATUS_SECONDS, LINE_SECONDS = 2.0, 60.0
"""Between two looks at how far the cells are: in a terminal, and elsewhere."""


class ListCommand(TyperCommand):
    """A command whose repeatable options also take several values: `--seeds 0 1 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Writes the option again before each further value."""
        several = {
            name for parameter in self.params if getattr(parameter, "multiple", False)
            for name in parameter.opts
        }  # fmt: skip
        spread: list[str] = []
        option: str | None = None
        values = 0
        for word in args:
            if word.startswith("-"):
                option, values = (word if word in several else None), 0
            elif option:
                values += 1
                spread += [option] if values > 1 else []
            spread.append(word)
        return super().parse_args(ctx, spread)


def command(
    data: Data,
    labelled: Annotated[
        list[int], typer.Option(metavar="N...", min=1, help="How many labels to learn from.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to make, or to go on with.")
    ],
    methods: Annotated[
        list[str],
        typer.Option(
            metavar="NAME...",
            help="Methods; one with options is written crln[positive_weight=0], with fields of "
            "the plan crln[network.prototypes=1], with its paper's optimiser bcp[published]; "
            "supervised_all learns from every label.",
        ),
    ] = [],  # noqa: B006
    ablation: Annotated[
        bool,
        typer.Option("--ablation", help="CRLN, and CRLN without each of its parts, too."),
    ] = False,
    seeds: Annotated[
        list[int], typer.Option(metavar="S...", min=0, help="A training of each method per seed.")
    ] = [0],  # noqa: B006
    iterations: Iterations = None,
    test: Test = 0,
    validation: Validation = 0,
    split: Split = None,
    group: Group = None,
    preset: Preset = None,
    sparse: Sparse = False,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan of all trainings.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="supervised", help="What the others are compared with."
        ),
    ] = None,
    outside: Annotated[
        list[str],
        typer.Option(
            "--with", metavar="PREDICTIONS NAME",
            help="Masks of another tool as one more row; NAME@8 says that it learnt from 8 labels.",
        ),
    ] = [],  # noqa: B006
    unit: Annotated[
        Literal["mm", "voxel"] | None,
        typer.Option(show_default="mm; voxel with a paper's preset", help="Of distances."),
    ] = None,
    fine: Fine = False,
    jobs: JobCount = None,
    slurm: Slurm = False,
    job_option: JobOption = [],  # noqa: B006
    device: Device = "auto",
    precision: Precision = "32",
    cache: Cache = None,
) -> None:  # fmt: skip
    """Train methods side by side, and compare them.

    Network, data, views, budget and seeds are the same for all.

    What is done is kept: after any interruption the same command goes on, and further methods,
    label counts or seeds add to what is there.
    """
    from crln.comparison import ABLATION, Compute, Jobs, Settings, compare, write_results

    if ablation:
        methods = [*methods, *(variant for variant in ABLATION if variant not in methods)]
        reference = reference or next(iter(ABLATION))
    settings = Settings(
        data=data, methods=tuple(methods), labelled=tuple(labelled), seeds=tuple(seeds),
        iterations=iterations, test=test, validation=validation, preset=preset, plan=plan,
        reference=reference, unit=unit, fine=fine, sparse=sparse, split=split, group=group,
    )  # fmt: skip
    comparison = compare(
        settings, out, outside=_outside(outside, settings.labelled),
        compute=Compute(device, precision, cache),
        jobs=Jobs(jobs, slurm, job_options(job_option, slurm)), say=console.print,
        watch=_watch, keep=True,
    )  # fmt: skip
    page = write_results(comparison)
    _show(comparison)
    console.print(f"leak check: {comparison.leaks.verdict}")
    console.print(f"written: {out}/comparison.csv, .json, .md, results.tex; look at {page}")
    if comparison.faults:
        raise typer.Exit(1)


@contextmanager
def _watch(standing: "Standing") -> Iterator[None]:
    """Shows how far the cells are: in a terminal all the time, else a line a minute."""
    over = threading.Event()
    status = console.status("") if console.is_terminal else None

    def show() -> None:
        while not over.wait(STATUS_SECONDS if status else LINE_SECONDS):
            status.update(standing.line()) if status else console.print(standing.line())

    thread = threading.Thread(target=show, daemon=True)
    with status or nullcontext():
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _outside(words: list[str], labelled: tuple[int, ...]) -> "list[Outside]":
    """The pairs of --with."""
    from crln.comparison import Outside

    if len(words) % 2:
        raise CrlnError(f"--with {words[-1]}: give a folder of masks and a name for its row")
    tools = []
    for folder, name in zip(words[::2], words[1::2], strict=True):
        plain, _, count = name.partition("@")
        if count and not count.isdigit():
            raise CrlnError(f"--with {folder} {name}: write the number of labels like {plain}@8")
        if not count and len(labelled) > 1:
            raise CrlnError(
                f"--with {folder} {name}: say how many labels it learnt from, like {plain}@8"
            )
        tools.append(Outside(Path(folder), plain, int(count) if count else labelled[0]))
    return tools


def _show(comparison: "Comparison") -> None:
    """Prints the page's table with the seconds of a step."""
    from crln.comparison.tables import SECONDS, cost_table, how_to_read, main_table
    from crln.evaluation import ResultTable

    result, cost = main_table(comparison), cost_table(comparison)
    rows = [
        {**figures, **({SECONDS: costs[SECONDS]} if SECONDS in costs else {})}
        for figures, costs in zip(result.rows, cost.rows, strict=True)
    ]
    columns = {**result.columns, SECONDS: replace(cost.columns[SECONDS], weight=3)}
    show(
        ResultTable(columns, rows, how_to_read(comparison)),
        counted(len(comparison.test), "test case"),
    )
