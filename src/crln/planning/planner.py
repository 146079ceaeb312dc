"""From a fingerprint to a plan: the rules, each with its reason."""

from importlib import resources
from typing import Any

import yaml

from crln.cohort import Cohort
from crln.errors import CrlnError
from crln.planning.fingerprint import Fingerprint, make_fingerprint
from crln.planning.plan import Intensity, Plan, Triple

STEP = 16
"""A patch's sides are multiples of this: the networks halve four times."""

VOXEL_BUDGET = 112 * 112 * 80
"""Most voxels in a patch: the paper's LA patch, some 6 GiB to train on with 2 + 2 patches."""

ANISOTROPY = 3.0
"""Beyond this ratio of coarsest to finest voxel side, the coarse axis is made a little finer."""

CT_FLOOR = -500.0
"""Air: a channel that reaches below it holds Hounsfield units."""

FOREGROUND_SHARE = 0.02
"""Structures smaller than this share of the patch get a third of the patches centred on them."""


def make_plan(
    cohort: Cohort,
    *,
    preset: str | None = None,
    fingerprint: Fingerprint | None = None,
    changes: dict[str, Any] | None = None,
) -> Plan:
    """The plan for a cohort.

    Args:
        cohort: its training scans are looked at, its test scans never.
        preset: a name from `preset_names()`, laid over what the cohort suggests.
        fingerprint: if it has been made already.
        changes: laid over both.

    Raises:
        CrlnError: no such preset, or a file of the cohort has a fault.
    """
    plan = plan_for(fingerprint or make_fingerprint(cohort))
    if preset is not None:
        plan = plan.updated(_read_preset(preset))
        if len(plan.intensity) != len(plan.channels):
            plan = plan.updated({"intensity": [plan.intensity[0].model_dump()] * len(plan.channels)})
    return plan.updated(changes or {})


def plan_for(fingerprint: Fingerprint) -> Plan:
    """The automatic plan.

    Spacing: the median; of a strongly anisotropic cohort the coarse axis becomes
    `ANISOTROPY` times the finest. Patch: the median scan rounded to multiples of 16, its longest
    side halved (in mm) until `VOXEL_BUDGET` holds it. Intensities: a window and the structures'
    mean and std for CT, each scan's own mean and std otherwise.
    """
    spacing = fingerprint.spacing
    archive = fingerprint.layout == "h5"
    if max(spacing) > ANISOTROPY * min(spacing):
        spacing = tuple(min(s, ANISOTROPY * min(spacing)) for s in spacing)  # type: ignore[assignment]
    size = [n * old / new for n, old, new in zip(
        fingerprint.size, fingerprint.spacing, spacing, strict=True
    )]  # fmt: skip
    patch = _patch_size(size)
    structures = sum(v for k, v in fingerprint.volumes.items() if k != fingerprint.labels[0])
    whole = fingerprint.size[0] * fingerprint.size[1] * fingerprint.size[2]
    rare = structures / whole < FOREGROUND_SHARE
    schemes = [_intensity(fingerprint, channel, archive) for channel in range(_channels(fingerprint))]
    names = [
        fingerprint.class_names.get(value, "background" if i == 0 else f"class {value}")
        for i, value in enumerate(fingerprint.labels)
    ]
    return Plan.model_validate({
        "channels": fingerprint.channels,
        "intensity": [scheme.model_dump() for scheme in schemes],
        "labels": fingerprint.labels,
        "class_names": names,
        "spacing": None if archive else spacing,
        "patch_size": patch,
        "training": {"foreground": 1 / 3 if rare else 0.0},
    })  # fmt: skip


def _channels(fingerprint: Fingerprint) -> int:
    return len(fingerprint.channels)


def _patch_size(size: list[float]) -> Triple:
    """Multiples of 16 that cover the scan where the budget allows, else shrink the longest side."""
    patch = [max(STEP, round(side / STEP) * STEP) for side in size]
    while patch[0] * patch[1] * patch[2] > VOXEL_BUDGET:
        longest = patch.index(max(patch))
        patch[longest] -= STEP
    return patch[0], patch[1], patch[2]


def _intensity(fingerprint: Fingerprint, channel: int, archive: bool) -> Intensity:
    if archive:
        return Intensity(scheme="none")
    everywhere, inside = fingerprint.intensity[channel], fingerprint.foreground[channel]
    name = fingerprint.channels[channel].lower()
    if "ct" in name.split() or everywhere.minimum < CT_FLOOR:
        return Intensity(
            scheme="window", low=inside.low, high=inside.high, mean=inside.mean,
            std=inside.std or 1.0,
        )  # fmt: skip
    return Intensity(scheme="zscore")


def preset_names() -> list[str]:
    """The presets that come with the package."""
    folder = resources.files("crln") / "presets"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def _read_preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise CrlnError(f"no preset {name!r}; choose one of {', '.join(preset_names())}")
    text = (resources.files("crln") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
