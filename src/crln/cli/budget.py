"""What a machine affords: the steps of so many hours, and a patch that fits its memory."""

from typing import TYPE_CHECKING, Annotated

import typer

from crln.cli.screen import console, duration
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.cohort import Cohort
    from crln.planning import Fingerprint, Plan

Hours = Annotated[
    float | None,
    typer.Option(
        metavar="H", show_default="the plan's steps",
        help="As many steps as H hours take here: a few are timed.",
    ),
]  # fmt: skip
Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="Half resolution: an eighth of the voxels, for a first look or a laptop."
    ),
]


def planned(
    cohort: "Cohort",
    preset: str | None,
    quick: bool,
    device: str = "auto",
    fingerprint: "Fingerprint | None" = None,
) -> "Plan":
    """The plan for a cohort on this machine; what its memory changes is told."""
    from crln.devices import settle_device
    from crln.memory import affordable_gib
    from crln.planning import fit_memory, make_plan

    wanted = make_plan(cohort, preset=preset, fingerprint=fingerprint, quick=quick)
    gib = affordable_gib(settle_device(device).type)
    plan = fit_memory(wanted, gib)
    if plan != wanted:
        console.print(
            f"memory: {gib:.1f} GiB for a step; {_sizes(plan)} in place of {_sizes(wanted)}"
        )
    return plan


def check_hours(hours: float | None, iterations: int | None = None, alone: bool = True) -> None:
    """Refuses a time that says nothing, or something else than the steps that are asked for.

    Args:
        hours: None: none is asked for.
        iterations: steps that are asked for.
        alone: a new training in a single process; others cannot be timed beforehand.

    Raises:
        CrlnError: it is refused.
    """
    if hours is None:
        return
    if iterations:
        raise CrlnError(
            f"--hours {hours:g} and --iterations {iterations} exclude each other; give one"
        )
    if not 0 < hours < float("inf"):
        raise CrlnError(f"--hours {hours:g}: not a time to train; give more than 0")
    if not alone:
        raise CrlnError(f"--hours {hours:g}: for a new training in one process; give --iterations")


def within_hours(
    plan: "Plan",
    hours: float | None,
    method: str = "crln",
    device: str = "auto",
    precision: str = "32",
    members: int = 1,
) -> "Plan":
    """The plan with as many steps as the hours allow here; it is told how many these are.

    Args:
        plan: gives all but the steps.
        hours: None: the plan's steps.
        method: its name.
        device: where to compute.
        precision: of the networks.
        members: trainings that share the time, one after the other.
    """
    if hours is None:
        return plan
    from crln.devices import settle_device
    from crln.profiling.estimate import steps_within
    from crln.training.start import PRECISIONS

    kind = settle_device(device).type
    with console.status("timing a few steps of training"):
        steps, each = steps_within(
            plan, 3600 * hours / members, method, accelerator=kind, precision=PRECISIONS[precision]
        )
    times = f"{members} times " if members > 1 else ""
    console.print(
        f"--hours {hours:g}: {times}{steps} steps of {method} at {each:.2g} s ({kind}), about "
        f"{duration(members * steps * each)}; a twentieth is left for preparing the scans and for "
        "validation"
    )
    left = plan.pretrain.leaves(steps)
    if left != steps:
        console.print(f"{steps - left} of them for the first stage, {plan.pretrain.task}")
    return plan.updated({"training": {"iterations": left}})


def _sizes(plan: "Plan") -> str:
    training = plan.training
    patch = " x ".join(map(str, plan.patch_size))
    return f"{training.labelled} + {training.unlabelled} patches of {patch} voxels"
