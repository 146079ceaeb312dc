"""Where the slices of a series lie, in their order along the scan."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging.dicom.frames import Frame
from crln.imaging.grid import Grid, shown
from crln.imaging.itk import ras_affine

_UNEVEN, _MOST_UNEVEN = 0.05, 0.4
"""Share of a step between slices that it may differ by: of itself, and where positions are
rounded."""
_SAME = 0.1
"""Share of a step below which two slices lie at the same place."""
_TILT = 2e-3
"""Radians by which slices may be shifted against each other; rounding comes to that."""
_MOST_ROUNDED = 5e-3
"""The coarsest rounding of directions that is taken for one."""
_SKEW = 0.01
"""Sine of the angle by which rows and columns may miss the right one."""


def arrange(path: Path, frames: Sequence[Frame]) -> tuple[list[Frame], Grid]:
    """The frames in the order of their places along the slices' normal, and their grid.

    Positions and directions are written with few decimals: the directions are made perpendicular,
    as programs of ITK want them, and the steps may differ by what rounding can make of them.

    Raises:
        CrlnError: these are not the slices of one evenly spaced scan; what is wrong is named.
    """
    if len(frames) < 2:
        raise CrlnError(f"{path}: holds one slice where a 3D series is due; give the whole series")
    axes = _axes(path, frames)
    normal = np.cross(*axes)
    frames = sorted(frames, key=lambda frame: float(frame.position @ normal))
    positions = np.array([frame.position for frame in frames])
    _check_steps(path, frames, positions, normal)
    step = _step(positions)
    size = float(np.linalg.norm(step))
    _check_tilt(path, positions, axes, normal, step / size)
    # The perpendicular directions that are nearest to all three.
    left, _, right = np.linalg.svd(np.stack([*axes, step / size], axis=1))
    first = frames[0]
    affine = ras_affine(left @ right, (*first.spacing, size), tuple(positions[0]))
    return frames, Grid((*first.shape, len(frames)), affine)


def _axes(path: Path, frames: Sequence[Frame]) -> np.ndarray:
    """The two directions in the slices, (2, 3), which all of them share.

    Raises:
        CrlnError: they do not, or sizes differ, or the directions are none.
    """
    first = frames[0]
    for frame in frames:
        if frame.shape != first.shape or not np.allclose(frame.spacing, first.spacing, rtol=1e-3):
            raise CrlnError(
                f"{path}: slices differ in size ({first.file.name}: {_size(first)}, "
                f"{frame.file.name}: {_size(frame)}); give the slices of one scan"
            )
        if np.abs(frame.axes - first.axes).max() > _SKEW:
            raise CrlnError(
                f"{path}: slices are turned in several ways ({first.file.name}, "
                f"{frame.file.name}), as those of a localizer are; give the slices of one scan"
            )
    lengths = np.linalg.norm(first.axes, axis=1)
    if np.abs(lengths - 1).max() > _SKEW or abs(first.axes[0] @ first.axes[1]) > _SKEW:
        raise CrlnError(
            f"{path}: its ImageOrientationPatient is no pair of directions at right angles "
            f"({first.file.name}); export the series again"
        )
    axes: np.ndarray = first.axes / lengths[:, None]
    return axes


def _size(frame: Frame) -> str:
    columns, rows = frame.shape
    return f"{columns} x {rows} of {shown(frame.spacing)} mm"


def _step(positions: np.ndarray) -> np.ndarray:
    """The step from one slice to the next that suits all positions best, least squares."""
    count = np.arange(len(positions)) - (len(positions) - 1) / 2
    step: np.ndarray = count @ positions / (count @ count)
    return step


def rounding(values: np.ndarray) -> float:
    """What the values were rounded to: 0.1 where no more than one decimal is used; 0 if none."""
    for decimals in range(6):
        if np.allclose(values, np.round(values, decimals), rtol=0, atol=1e-9):
            return float(10.0**-decimals)
    return 0.0


def _check_steps(
    path: Path, frames: Sequence[Frame], positions: np.ndarray, normal: np.ndarray
) -> None:
    steps = np.diff(positions @ normal)
    usual = float(np.median(steps))
    same = np.flatnonzero(steps <= _SAME * usual) if usual > 0 else np.arange(len(steps))
    if len(same):
        raise _at_one_place(path, frames, positions @ normal, int(same[0]))
    mean = float(steps.mean())
    rounded = rounding(positions) * float(np.abs(normal).sum())
    # Rounding moves a slice by half of that at most, however many there are.
    straight = np.arange(len(positions)) - (len(positions) - 1) / 2
    moved = np.abs((positions - positions.mean(0)) @ normal - straight * mean).max()
    worst = np.abs(steps - mean).max()
    of_rounding = worst <= min(_MOST_UNEVEN * mean, rounded) and moved <= rounded
    if worst > _UNEVEN * mean and not of_rounding:
        far = int(np.abs(steps - usual).argmax())
        raise CrlnError(
            f"{path}: slices are missing or unevenly spaced; export the series again "
            f"({steps[far]:.3g} mm from {_name(frames[far])} to {_name(frames[far + 1])}, "
            f"elsewhere {usual:.3g} mm)"
        )


def _at_one_place(path: Path, frames: Sequence[Frame], places: np.ndarray, which: int) -> CrlnError:
    """The line for two slices at the same place, or for several scans in one series."""
    apart = np.ptp(places) / len(places)
    groups = np.split(places, np.flatnonzero(np.diff(places) > _SAME * apart) + 1)
    count = len(groups[0])
    if len(groups) > 1 and all(len(group) == count for group in groups):
        return CrlnError(
            f"{path}: holds {count} scans at the same place, such as phases, echoes or b-values; "
            "export each as a series of its own"
        )
    return CrlnError(
        f"{path}: a slice is there twice, at the same place ({_name(frames[which])} and "
        f"{_name(frames[which + 1])}); remove one"
    )


def _name(frame: Frame) -> str:
    return f"{frame.file.name}, frame {frame.index + 1}" if frame.index else frame.file.name


def _check_tilt(
    path: Path, positions: np.ndarray, axes: np.ndarray, normal: np.ndarray, along: np.ndarray
) -> None:
    """Refuses slices that are shifted against each other, more than rounding can make it seem."""
    length = float(np.linalg.norm(positions[-1] - positions[0]))
    directions = rounding(axes)
    rounded = 2 * rounding(positions) / length
    if directions < 1:  # where all are whole, the slices lie along the scanner's axes
        rounded += 2 * min(directions, _MOST_ROUNDED)
    angle = float(np.arccos(np.clip(along @ normal, -1, 1)))
    if angle > max(_TILT, min(rounded, 4 * _MOST_ROUNDED)):
        raise CrlnError(
            f"{path}: the gantry was tilted, by {np.degrees(angle):.3g} degrees, so that slices "
            "are shifted against each other; dcm2niix makes a straight scan (its file is called "
            "..._Tilt), give that"
        )
