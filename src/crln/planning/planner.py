"""From a fingerprint to a plan: the rules, each with its reason."""

from importlib import resources
from math import ceil, prod
from typing import Any

from pydantic import ValidationError

from crln.cohort import Cohort
from crln.errors import CrlnError
from crln.files import fault_of, from_yaml
from crln.labels import LabelSpace
from crln.planning.detail import with_details
from crln.planning.fingerprint import Fingerprint, make_fingerprint
from crln.planning.plan import Intensity, NetworkPlan, Plan, Triple
from crln.planning.room import shorter
from crln.planning.topology import is_uneven, topology

LARGEST_PATCH = 112 * 112 * 80
"""Most voxels in a patch: the paper's LA patch. 2 + 2 of them train the default V-Net in float32 in
some 6 GiB, of a GPU or of the machine; who has less edits `patch_size` or the batch."""

UNCOVERED = 4
"""Voxels of the median scan that a patch may leave out, or half of a step where that is less: one
more step would hold padding."""

SHRINKING = 1.05
"""By so much at most a side shrinks at a time, until what is seen at once is within the budget."""

DIGITS = 6
"""Of a size in voxels; beyond them is rounding, of which no patch becomes a step longer."""

ANISOTROPY = 3.0
"""Ratio of the coarsest voxel side to the finest from which a cohort counts as thick-sliced."""

AIR, DENSEST = -800.0, 3071.0
"""A channel is in Hounsfield units where it holds air and its structures end at 12 bits. Negative
values alone tell nothing: MR scans that somebody normalised have them too."""

RARE, RAREST, CENTRED = 0.02, 0.001, 1 / 3
"""Where the structures together, or the rarest alone, are below these shares of the scan, the last
is the share of patches that are centred on a structure; which one is drawn evenly."""


def make_plan(
    cohort: Cohort,
    *,
    preset: str | None = None,
    fingerprint: Fingerprint | None = None,
    changes: dict[str, Any] | None = None,
    quick: bool = False,
) -> Plan:
    """The plan for a cohort.

    Args:
        cohort: its training scans are looked at, its validation and test scans never.
        preset: a name from `preset_names()`, laid over what the cohort suggests.
        fingerprint: if it has been made already.
        changes: laid over both.
        quick: at half the resolution, see `plan_for`.

    Raises:
        CrlnError: no such preset, an impossible change, or a file of the cohort has a fault; or
            half the resolution of what keeps its grid: a preset's cohort, or an archive.

    Examples:
        >>> cohort = crln.load_cohort("data")
        >>> plan = crln.make_plan(cohort, changes={"training": {"iterations": 1000}})
    """
    if quick and preset:
        raise CrlnError(f"--quick and --preset {preset} exclude each other; give one")
    if preset is not None:
        read_preset(preset)  # a name that is wrong is told at once
    found = fingerprint or make_fingerprint(cohort)
    layers = [changes or {}]
    if preset is not None:
        whole = read_preset(preset, len(found.channels))
        # Its patch is of its own network, whatever this cohort's slices would ask for.
        whole["network"] = NetworkPlan().model_dump() | whole["network"]
        layers.insert(0, whole)
    plan = plan_for(found, quick=quick)
    if preset is None:  # a preset says all that it means of learning
        plan = with_details(plan, found.thin, quick)
    try:
        for layer in layers:
            plan = plan.updated(layer)
    except ValidationError as error:
        raise CrlnError(f"impossible plan: {fault_of(error)}; change that field") from error
    return plan


def plan_for(fingerprint: Fingerprint, *, quick: bool = False) -> Plan:
    """The automatic plan, but for what thin structures ask for (`crln.planning.detail`).

    Batch, iterations and views are the defaults of `Plan`.

    Spacing: the cohort's median; for a thick-sliced cohort see `_target_spacing`. Archives keep
    their grid and, normalised by who made them, their intensities. Network: the default one, but
    for thick slices and flat scans see `topology`. Patch: see `_patch_size`.
    Intensities: for CT a window over the structures' values and their mean and deviation; for all
    else each scan's own mean and deviation.

    Args:
        fingerprint: of the cohort.
        quick: voxels twice as long, but along slices that are more than twice as thick as that
            already: an eighth, or a quarter, of the voxels.

    Raises:
        CrlnError: half the resolution of archives, which keep their grid.
    """
    archive = not fingerprint.geometry
    if archive and quick:
        raise CrlnError("--quick: archives keep their grid; leave it out, or convert them to NIfTI")
    spacing = fingerprint.spacing if archive else _target_spacing(fingerprint)
    if quick:
        spacing = _doubled(spacing)
    size = [
        round(n * own / target, DIGITS)
        for n, own, target in zip(fingerprint.size, fingerprint.spacing, spacing, strict=True)
    ]
    labels = LabelSpace.of(
        fingerprint.labels, fingerprint.class_names, fingerprint.ignore,
        exclusive=fingerprint.exclusive, regions=fingerprint.regions,
    )  # fmt: skip
    network = _network(size, spacing)
    return Plan.model_validate({
        "channels": fingerprint.channels,
        "intensity": [
            {"scheme": "none"} if archive else _intensity(fingerprint, channel).model_dump()
            for channel in range(len(fingerprint.channels))
        ],
        "labels": labels,
        "spacing": None if archive else spacing,
        "network": network.model_dump(),
        "patch_size": _patch_size(size, spacing, network.step),
        "training": {"foreground": _foreground(fingerprint, labels)},
    })  # fmt: skip


def _foreground(fingerprint: Fingerprint, labels: LabelSpace) -> float:
    """The share of labelled patches that is centred on structures: some where these are rare."""
    shares = [_volume(fingerprint, labels, k) / prod(fingerprint.size)
              for k in range(1, labels.classes)]  # fmt: skip
    # 0: the data set names the class, but no label that was read holds it.
    rarest = min((share for share in shares if share), default=0.0)
    return CENTRED if sum(shares) < RARE or rarest < RAREST else 0.0


def _volume(fingerprint: Fingerprint, labels: LabelSpace, k: int) -> float:
    """Mean voxels of a class; of a region, of its values together."""
    values = labels.members[k] if labels.members else (labels.values[k],)
    return sum(fingerprint.volumes.get(value, 0.0) for value in values)


def _target_spacing(fingerprint: Fingerprint) -> tuple[float, float, float]:
    """The median, but along thick slices the 10th percentile, not below the next coarser axis.

    Isensee et al., Nature Methods 2021: resampling all scans to the typical thick slice would
    throw away what the thinner-sliced ones show; interpolating to cubes would invent planes.
    """
    spacing = list(fingerprint.spacing)
    coarse = spacing.index(max(spacing))
    others = [side for axis, side in enumerate(spacing) if axis != coarse]
    if spacing[coarse] > ANISOTROPY * max(others):
        spacing[coarse] = max(fingerprint.spacing_low[coarse], *others)
    x, y, z = spacing
    return x, y, z


def _doubled(spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    """Twice the voxel size; thick slices stay."""
    finest = min(spacing)
    x, y, z = (side if side > 2 * finest else 2 * side for side in spacing)
    return x, y, z


def _network(size: list[float], spacing: tuple[float, float, float]) -> NetworkPlan:
    """The default network; for thick slices and flat scans, what their patches allow.

    Args:
        size: voxels of the median prepared scan.
        spacing: mm of a prepared voxel.
    """
    if not is_uneven(spacing, size):
        return NetworkPlan()
    seen = list(size)
    while (excess := prod(seen) / LARGEST_PATCH) > 1:
        extent = [n * side for n, side in zip(seen, spacing, strict=True)]
        longest = extent.index(max(extent))
        seen[longest] /= min(excess, SHRINKING)
    return topology(spacing, seen)


def _patch_size(size: list[float], spacing: tuple[float, float, float], step: Triple) -> Triple:
    """Covers the median scan where the budget allows; else its side that is longest in mm shrinks.

    So a patch of a large scan sees as far along one axis as along the others.

    Args:
        size: voxels of the median prepared scan.
        spacing: mm of a prepared voxel.
        step: what its sides are multiples of.
    """
    x, y, z = (
        every * max(1, ceil((side - min(UNCOVERED, every / 2)) / every))
        for every, side in zip(step, size, strict=True)
    )
    patch = (x, y, z)
    while prod(patch) > LARGEST_PATCH and (less := shorter(patch, spacing, step)):
        patch = less
    return patch


def _intensity(fingerprint: Fingerprint, channel: int) -> Intensity:
    everywhere, inside = fingerprint.intensity[channel], fingerprint.foreground[channel]
    hounsfield = everywhere.low < AIR and inside.high <= DENSEST
    if inside.low >= inside.high or not (
        hounsfield or fingerprint.channels[channel].lower() == "ct"
    ):
        return Intensity(scheme="zscore")
    return Intensity(
        scheme="window", low=inside.low, high=inside.high, mean=inside.mean, std=inside.std or 1.0
    )


def preset_names() -> list[str]:
    """The presets that come with the package."""
    names = (file.name for file in (resources.files("crln") / "presets").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def read_preset(name: str, channels: int = 1) -> dict[str, Any]:
    """A part of a plan, to lay over another with `Plan.updated`.

    Args:
        name: one of `preset_names()`.
        channels: how many channels its intensity scheme is repeated for.

    Raises:
        CrlnError: no such preset.
    """
    if name not in preset_names():
        raise CrlnError(f"no preset {name!r}; choose one of {', '.join(preset_names())}")
    text = (resources.files("crln") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = from_yaml(text)
    content["intensity"] *= channels
    return content
