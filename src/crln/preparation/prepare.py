"""One scan as the network sees it."""

import logging
from math import prod
from pathlib import Path

import numpy as np

from crln.errors import CrlnError, counted
from crln.imaging import Volume
from crln.labels import IGNORE
from crln.planning.plan import Intensity, Plan
from crln.preparation.likeness import sample
from crln.preparation.placement import (
    Placement,
    classes_to_plan_grid,
    combinations_to_plan_grid,
    image_to_plan_grid,
    place,
)

_log = logging.getLogger("crln")

NEARLY_ALL, BEYOND = (0.1, 99.9), 100.0
"""Percentiles between which nearly all voxels lie; and how many times that range another may lie
beyond before it stands for nothing that was measured."""

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
            f"{len(plan.channels)} ({', '.join(plan.channels)}); give a scan with these"
        )
    channels = [
        _checked(channel, scheme, name)
        for channel, scheme in zip(volume.array, plan.intensity, strict=True)
    ]
    placement = place(volume.grid, plan.spacing)
    if not 1 < prod(placement.shape) <= MOST_VOXELS:
        raise CrlnError(
            f"{name}: {' x '.join(f'{s:.3g}' for s in volume.grid.spacing)} mm voxels become "
            f"{' x '.join(map(str, placement.shape))} voxels at the plan's spacing; correct the "
            "file's header or the plan's spacing"
        )
    image = np.empty((len(volume.array), *placement.shape), np.float32)
    for k, (channel, scheme) in enumerate(zip(channels, plan.intensity, strict=True)):
        image[k] = normalise(image_to_plan_grid(channel, placement), scheme)
    return image, placement


def _checked(channel: np.ndarray, scheme: Intensity, name: Path | str) -> np.ndarray:
    """A channel (X, Y, Z) that the network can make something of."""
    low, high = float(channel.min()), float(channel.max())
    if not np.isfinite([low, high]).all():
        raise CrlnError(f"{name}: holds NaN or infinite voxels; replace them or leave it out")
    if low == high and scheme.scheme in ("zscore", "minmax"):
        raise CrlnError(f"{name}: every voxel is {low:g}; leave this scan out")
    if scheme.scheme == "window" and scheme.low is not None and scheme.high is not None:
        if low < scheme.high and high > scheme.low:
            return channel
        raise CrlnError(
            f"{name}: no voxel lies inside the plan's window of {scheme.low:g} to {scheme.high:g} "
            f"(they are {low:.4g} to {high:.4g}); give Hounsfield units, or leave this scan out"
        )
    return channel if scheme.scheme == "none" else _tamed(channel, low, high, name)


def _tamed(channel: np.ndarray, low: float, high: float, name: Path | str) -> np.ndarray:
    """A channel whose few voxels far beyond all others are cut, which is told.

    One such voxel decides mean and deviation of the whole scan, so that nothing else shows.
    """
    least, most = np.percentile(sample(channel), NEARLY_ALL).tolist()
    reach = BEYOND * (most - least)
    if not reach or (least - reach <= low and high <= most + reach):
        return channel
    below, above = channel < least - reach, channel > most + reach
    count = counted(int(np.count_nonzero(below | above)), "voxel")
    _log.warning(
        "%s: holds %s as far out as %.4g, nearly all others between %.4g and %.4g; cut to these",
        name, count, high if high - most > least - low else low, least, most,
    )  # fmt: skip
    cut: np.ndarray = np.where(below, least, np.where(above, most, channel)).astype(channel.dtype)
    return cut


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
        mean, std = _moments(array)
        return (array - np.float32(mean)) / np.float32(std)
    return array


def _moments(array: np.ndarray) -> tuple[float, float]:
    """Mean and deviation, summed up in float64, a plane at a time to bound the memory."""
    mean = float(array.mean(dtype=np.float64))
    squares = sum(float(np.square(plane - mean, dtype=np.float64).sum()) for plane in array)
    return mean, (squares / array.size) ** 0.5


def prepare_label(
    volume: Volume,
    plan: Plan,
    placement: Placement,
    source: Path | None = None,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Classes 0..K-1, of regions combinations, or IGNORE, (X, Y, Z), on the plan's grid.

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
    if not plan.labels.exclusive:
        return combinations_to_plan_grid(classes, placement, plan.labels)
    return classes_to_plan_grid(classes, placement, plan.classes)
