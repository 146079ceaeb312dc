"""One scan as the network sees it."""

from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging import Volume
from crln.planning.plan import Intensity, Plan
from crln.preparation.placement import Placement, place, to_plan_grid


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
        CrlnError: another number of channels than the plan's, or a constant channel.
    """
    if len(volume.array) != len(plan.channels):
        raise CrlnError(
            f"{source or 'scan'}: has {len(volume.array)} channels where the plan has "
            f"{len(plan.channels)} ({', '.join(plan.channels)}); give one file per channel"
        )
    placement = place(volume, plan.spacing)
    channels = [
        normalise(to_plan_grid(channel, placement, 3), scheme, source)
        for channel, scheme in zip(volume.array, plan.intensity, strict=True)
    ]
    return np.stack(channels), placement


def normalise(array: np.ndarray, scheme: Intensity, source: Path | None = None) -> np.ndarray:
    """Applies an intensity scheme to one channel, in float32.

    Raises:
        CrlnError: the channel is constant, so that its scheme would divide by zero.
    """
    array = array.astype(np.float32)
    if scheme.scheme == "none":
        return array
    if scheme.scheme == "window":
        array = (np.clip(array, scheme.low, scheme.high) - scheme.mean) / scheme.std
        return array.astype(np.float32)
    low, high = float(array.min()), float(array.max())
    if high <= low:
        raise CrlnError(f"{source or 'scan'}: every voxel is {low:g}; leave this scan out")
    if scheme.scheme == "minmax":
        return (array - low) / (high - low)
    return (array - array.mean()) / array.std()


def prepare_label(
    volume: Volume, plan: Plan, placement: Placement, source: Path | None = None
) -> np.ndarray:
    """Classes 0..K-1, (X, Y, Z) uint8, on the plan's grid.

    Raises:
        CrlnError: a value that no class of the plan has.
    """
    values = volume.array[0]
    present = np.unique(values)
    strange = [int(v) for v in present if v not in plan.labels]
    if strange:
        raise CrlnError(
            f"{source or 'label'}: holds the value {strange[0]}, which is none of the plan's labels "
            f"{list(plan.labels)}; correct the file or add the class to the plan"
        )
    order = np.argsort(plan.labels)
    classes = order[np.searchsorted(np.array(plan.labels)[order], values)].astype(np.uint8)
    if placement.turned == placement.shape:
        return to_plan_grid(classes, placement, 0)
    # Each class is resampled linearly and the largest wins: smoother than nearest.
    best = np.zeros(placement.shape, np.float32)
    result = np.zeros(placement.shape, np.uint8)
    for k in range(plan.classes):
        score = to_plan_grid((classes == k).astype(np.float32), placement, 1)
        better = score > best
        best[better], result[better] = score[better], k
    return result
