"""crln plan: look at a cohort and decide."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crln.cli.budget import Hours, Quick, check_hours, planned, within_hours
from crln.cli.options import (
    Data,
    Labelled,
    Overwrite,
    Preset,
    Seed,
    Sparse,
    Test,
    Validation,
    check_output,
)
from crln.cli.parts import Group, Split, keep, split_data
from crln.cli.screen import console, duration, examples, show_facts

if TYPE_CHECKING:
    from crln.labels import LabelSpace
    from crln.planning import Fingerprint, Plan

EXAMPLES = examples(
    "crln plan data",
    "crln plan data --test 20 --out plan.yaml",
    "crln plan data --preset la --out la-plan.yaml",
    "crln plan data --quick --hours 2 --out first-look.yaml",
)


def command(
    data: Data,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The plan to write; the fingerprint lies beside it."),
    ] = Path("plan.yaml"),
    preset: Preset = None,
    labelled: Labelled = None,
    test: Test = 0,
    validation: Validation = 0,
    seed: Seed = 0,
    split: Split = None,
    group: Group = None,
    quick: Quick = False,
    hours: Hours = None,
    overwrite: Overwrite = False,
    sparse: Sparse = False,
    no_estimate: Annotated[
        bool,
        typer.Option("--no-estimate", help="Do not time a few steps to tell how long it takes."),
    ] = False,
) -> None:
    """Look at a cohort and decide how to learn from it.

    Prints and saves its fingerprint and the plan derived from it. Give the split that
    you will train with, so that the plan looks at no test scan.
    """
    from crln.files import to_yaml, write_text
    from crln.imaging import refuse_input
    from crln.planning import make_fingerprint
    from crln.planning.detail import reasons

    check_hours(hours)
    beside = out.with_name(f"{out.stem}-fingerprint.yaml")
    for path in (out, beside):
        check_output(path, "--out", ".yaml", ".yml", overwrite=overwrite)
    whole, cohort = split_data(
        data, labelled=labelled, validation=validation, test=test, seed=seed, split=split,
        group=group, sparse=sparse,
    )  # fmt: skip
    for path in (out, beside):
        refuse_input(path, cohort.files, "a file of the cohort")
    fingerprint = make_fingerprint(cohort)
    plan = planned(cohort, preset, quick, fingerprint=fingerprint)
    plan = within_hours(plan, hours)
    write_text(beside, to_yaml(fingerprint.model_dump(mode="json")))
    why = reasons(plan, fingerprint.thin, quick)
    write_text(out, "".join(f"# {line}\n" for line in why) + plan.to_yaml())
    show_facts("fingerprint", _of_fingerprint(fingerprint))
    show_facts("plan", _of_plan(plan))
    for line in why:
        console.print(line, highlight=False)
    console.print(f"written: {out}, {beside}")
    keep(whole, cohort)
    if not (no_estimate or hours):
        _tell_time(plan)


def _tell_time(plan: "Plan") -> None:
    """How long a training with the plan takes on this machine."""
    from crln.devices import settle_device
    from crln.profiling.estimate import estimate_training

    device = settle_device("auto").type
    with console.status("timing a few steps of training"):
        found = estimate_training(plan, accelerator=device)
    phases = {"labels alone": found.labels_alone, "all scans": found.all_scans}
    steps = ", ".join(
        f"{count} steps of {name} at {seconds:.2g} s"
        for name, (count, seconds) in phases.items()
        if count
    )
    console.print(
        f"crln train will take about {duration(found.seconds)} here ({device}: {steps}), besides "
        "preparing the scans and validation"
    )


def _of_fingerprint(found: "Fingerprint") -> dict[str, str]:
    facts = {
        "cases": f"{found.labelled} labelled, {found.unlabelled} unlabelled, "
        f"{found.validation} validation, {found.test} test ({found.layout})",
        "size": f"{_times(found.size)} voxels, {_span(found.size_range)}",
        "spacing": f"{_times(found.spacing)} mm, {_span(found.spacing_range)}",
    }
    for channel, whole, inside in zip(
        found.channels, found.intensity, found.foreground, strict=True
    ):
        facts[f"intensity, {channel}"] = (
            f"{whole.minimum:.4g} to {whole.maximum:.4g}, mean {whole.mean:.4g} ± {whole.std:.4g}; "
            f"structures {inside.low:.4g} to {inside.high:.4g}, mean {inside.mean:.4g} ± "
            f"{inside.std:.4g}"
        )
    for value, volume in found.volumes.items():
        name = found.class_names.get(value, "")
        facts[f"label {value}"] = f"{name + ', ' if name else ''}{volume:.0f} voxels a scan"
    for name, (share, _) in found.thin.items():
        facts[f"thin parts, {name}"] = f"{share:.0%}"
    return facts


def _of_plan(plan: "Plan") -> dict[str, str]:
    network, training, ignore = plan.network, plan.training, plan.labels.ignore
    ignored = "" if ignore is None else f"; ignored: the value {ignore}"
    return {
        "spacing": f"{_times(plan.spacing)} mm" if plan.spacing else "each scan's own",
        "patch": f"{_times(plan.patch_size)} voxels",
        "intensity": ", ".join(scheme.scheme for scheme in plan.intensity),
        "regions" if plan.labels.members else "classes": ", ".join(_named(plan.labels)) + ignored,
        "network": f"{network.kind}, {'-'.join(map(str, network.widths))} channels, "
        f"{' x '.join(map(str, network.step))} voxels halved to one",
        "views": plan.views.kind,
        "training": f"{training.iterations} steps of {training.labelled} labelled and "
        f"{training.unlabelled} unlabelled patches, {training.optimiser}, learning rate "
        f"{training.lr:g}",
    }


def _named(labels: "LabelSpace") -> list[str]:
    """The classes; regions with the values that they are the union of."""
    told = zip(labels.names, labels.members, strict=False)
    regions = [f"{name} ({' + '.join(map(str, values))})" for name, values in told]
    return regions or [*labels.names]


def _times(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _span(ranges: tuple[tuple[float, float], ...]) -> str:
    """The smallest and the largest along each axis."""
    low, high = zip(*ranges, strict=True)
    return "all alike" if low == high else f"{_times(low)} to {_times(high)}"
