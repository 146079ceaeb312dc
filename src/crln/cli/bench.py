"""crln bench: what a training costs on this machine, and what limits it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crln.cli.options import Device, Overwrite, Precision, Preset, check_output
from crln.cli.screen import console, examples, show
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.planning import Plan
    from crln.profiling import StepProfile

EXAMPLES = examples(
    "crln bench --preset la",
    "crln bench --plan plan.yaml --device cuda --precision bf16",
    "crln bench run --method mean_teacher",
)

ADVICE = {
    "data": "waiting for patches: put the cache on a faster disk, or leave a core free for it",
    "arithmetic": "convolutions: a faster device, --precision bf16 on a GPU, or a smaller patch",
    "memory": "moving feature maps through memory: --precision bf16 on a GPU, or a smaller patch",
    "overhead": "starting many small operations: larger patches, or less work beside this one",
}


def command(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run folder whose plan to take.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The plan: `crln plan` writes one.")
    ] = None,
    preset: Preset = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="RUN's, or crln", help="How to learn."),
    ] = None,
    device: Device = "auto",
    precision: Precision = "32",
    repeats: Annotated[int, typer.Option(metavar="N", min=1, help="Steps to time.")] = 5,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here too.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Time training steps, and tell what limits them.

    On scans made for it; tells hours and memory, too.
    """
    from crln.files import write_text
    from crln.imaging import refuse_input
    from crln.profiling import profile_step
    from crln.training.start import fabric_names

    if out:
        check_output(out, "--json", ".json", overwrite=overwrite)
        refuse_input(out, [plan] if plan else [], "the plan")
    chosen, learnt_by = _chosen(run, plan, preset)
    method = method or learnt_by
    accelerator, kind = fabric_names(device, precision)
    profile = profile_step(
        chosen, method, accelerator=accelerator, precision=kind, repeats=repeats
    )  # fmt: skip
    _show(profile, chosen, method, accelerator)
    if out:
        facts = {**asdict(profile), "hours": profile.hours, "limit": profile.limit}
        write_text(out, json.dumps(facts, indent=1) + "\n", overwrite=overwrite)


def _chosen(run: Path | None, path: Path | None, preset: str | None) -> "tuple[Plan, str]":
    """The plan to measure and the method to measure it with."""
    from crln.planning import Plan, read_preset
    from crln.runs import open_run

    given = [str(value) for value in (run, path, preset) if value]
    if len(given) != 1:
        raise CrlnError(
            f"{len(given)} plans given ({', '.join(given) or 'none'}); give one of RUN, --plan and "
            "--preset"
        )
    if run:
        begun = open_run(run)
        return begun.plan, begun.facts.method
    return Plan.read(path) if path else Plan().updated(read_preset(str(preset))), "crln"


def _show(profile: "StepProfile", plan: "Plan", method: str, accelerator: str) -> None:
    """The table and what follows from it."""
    from crln.evaluation.tables import Column, ResultTable, TableCell

    training, step = plan.training, profile.step
    patch = "x".join(map(str, plan.patch_size))
    console.print(
        f"{method} on {accelerator}, {training.labelled} + {training.unlabelled} patches of "
        f"{patch}, {len(plan.channels)} channels, {plan.classes} classes"
    )
    total = sum(profile.parts.values())
    columns = {
        "part": Column("part of a step", text=True),
        "seconds": Column("seconds"),
        "share": Column("share"),
    }
    rows = [
        {
            "part": TableCell(part),
            "seconds": TableCell(f"{seconds:.4f}"),
            "share": TableCell(f"{seconds / total:.1%}"),
        }
        for part, seconds in profile.parts.items()
    ]
    show(ResultTable(columns, rows))
    console.print(f"step: {step}; {profile.iterations} steps: {profile.hours:.1f} h")
    console.print(f"memory: {profile.peak_gib:.2f} GiB at most, of {profile.capacity_gib:.1f} GiB")
    floors = ", ".join(f"{name} {seconds:.3f}" for name, seconds in profile.floors.items())
    console.print(
        f"work: {profile.work.flops / 1e9:.1f} GFLOP, {profile.work.bytes / 1e9:.1f} GB a step"
    )
    console.print(f"seconds that each alone would take: {floors}")
    console.print(f"limit: {profile.limit}: {ADVICE[profile.limit]}")
