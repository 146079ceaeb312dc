"""One scan as the network sees it."""

from math import prod
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging import Volume
from crln.labels import IGNORE
from crln.planning.plan import Intensity, Plan
from crln.preparation.placement import (
    Placement,
    classes_to_plan_grid,
    image_to_plan_grid,
    place,
)

MOST_VOXELS = 2**31
"""Of a prepared channel (8 GiB); beyond, the scan's spacing or the plan's is wrong."""


def prepare_image(
    volume: Volume, plan: Plan, source: Path | None = None
) -> tuple[np.ndarray, Placement]:
    """RAS order, the plan's spacing, its intensity scheme.

    Args:
        volume: the scan.
        plan: decides spacing and intensities.
        source: the file, for the error.

    Returns:
        (C, X, Y, Z) float32 and where it lies.

    Raises:
        CrlnError: another number of channels than the plan's, voxels that are not finite, a
            constant channel, or a spacing far from the plan's.
    """
    name = source or "scan"
    if len(volume.array) != len(plan.channels):
        raise CrlnError(
            f"{name}: has {len(volume.array)} channels where the plan has "
            f"{len(plan.channels)} ({', '.join(plan.channels)}); give one file per channel"
        )
    for channel, scheme in zip(volume.array, plan.intensity, strict=True):
        _check(channel, scheme, name)
    placement = place(volume.grid, plan.spacing)
    if prod(placement.shape) > MOST_VOXELS:
        raise CrlnError(
            f"{name}: {' x '.join(f'{s:.3g}' for s in volume.grid.spacing)} mm voxels become "
            f"{' x '.join(map(str, placement.shape))} voxels at the plan's spacing; correct the "
            "file's header or the plan's spacing"
        )
    image = np.empty((len(volume.array), *placement.shape), np.float32)
    for k, (channel, scheme) in enumerate(zip(volume.array, plan.intensity, strict=True)):
        image[k] = normalise(image_to_plan_grid(channel, placement), scheme)
    return image, placement


def _check(channel: np.ndarray, scheme: Intensity, name: Path | str) -> None:
    low, high = float(channel.min()), float(channel.max())
    if not np.isfinite([low, high]).all():
        raise CrlnError(f"{name}: holds NaN or infinite voxels; replace them or leave it out")
    if low == high and scheme.scheme in ("zscore", "minmax"):
        raise CrlnError(f"{name}: every voxel is {low:g}; leave this scan out")


def normalise(array: np.ndarray, scheme: Intensity) -> np.ndarray:
    """Applies an intensity scheme to one channel that is not constant, in float32."""
    array = array.astype(np.float32, copy=False)
    if scheme.scheme == "window":
        return (np.clip(array, scheme.low, scheme.high) - np.float32(scheme.mean)) / np.float32(
            scheme.std
        )
    if scheme.scheme == "minmax":
        return (array - array.min()) / np.ptp(array)
    if scheme.scheme == "zscore":
        return (array - array.mean()) / array.std()
    return array


def prepare_label(
    volume: Volume,
    plan: Plan,
    placement: Placement,
    source: Path | None = None,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Classes 0..K-1 or IGNORE, (X, Y, Z), on the plan's grid.

    Args:
        volume: label values.
        plan: says what they mean.
        placement: of the scan.
        source: the file, for the error.
        known: (X, Y, Z) bool; elsewhere nobody knows the class. None: everywhere.

    Raises:
        CrlnError: a value that no class of the plan has.
    """
    classes = plan.labels.encode(volume.array[0], source)
    if known is not None:
        classes[~known] = IGNORE
    return classes_to_plan_grid(classes, placement, plan.classes)
