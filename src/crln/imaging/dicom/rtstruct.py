"""DICOM RTSTRUCT as a label: the contours of each structure, filled on the scan's grid."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError
from crln.imaging.contours import fill
from crln.imaging.grid import Grid
from crln.imaging.itk import LPS_TO_RAS
from crln.imaging.overlap import Overlaps
from crln.imaging.telling import tell_once

if TYPE_CHECKING:
    from pydicom import Dataset

CONTOUR_DATA = 0x30060050
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
"""Kinds of contour that enclose something; points and open lines do not."""


def names(dataset: "Dataset") -> dict[int, str]:
    """Label value -> name of each structure that has a contour."""
    return {value: name for value, (name, _) in _structures(dataset).items()}


def draw(
    path: Path,
    dataset: "Dataset",
    grid: Grid,
    wanted: Collection[int] | None,
    *,
    as_drawn: bool = False,
) -> np.ndarray:
    """Label values (X, Y, Z) on the scan's grid, as `contours.fill` has it.

    Args:
        path: the file, for errors.
        dataset: of it.
        grid: the scan's.
        wanted: label values; None: all.
        as_drawn: leave slices without a contour empty, rather than fill them from their neighbours.

    Raises:
        CrlnError: no contour lies in the scan.
    """
    structures = _structures(dataset)
    if not structures:
        raise CrlnError(f"{path}: holds no closed contour; draw one, or leave its label out")
    overlaps = Overlaps(grid.shape, {value: name for value, (name, _) in structures.items()})
    world_to_voxel = np.linalg.inv(grid.to_world)
    empty = []
    for value, (name, items) in structures.items():
        if wanted is not None and value not in wanted:
            continue
        contours = [_in_voxels(item, world_to_voxel) for item in items]
        mask = fill(contours, grid.shape, between=not as_drawn)
        overlaps.add(value, mask.nonzero())
        if not mask.any():
            empty.append(name)
    found = overlaps.settle(path)
    if empty and not found.any():
        raise CrlnError(
            f"{path}: none of its contours ({', '.join(empty)}) lies in the scan; give the scan "
            "that they were drawn on"
        )
    if empty:
        tell_once(f"{path}: no voxel's centre lies in the contours of {', '.join(empty)}")
    return found


def _structures(dataset: "Dataset") -> dict[int, tuple[str, list["Dataset"]]]:
    """Label value -> name and closed contours of each structure that has any.

    The value is the structure's number, where numbers are positive; else its place in the file.
    """
    called = {
        int(roi.ROINumber): str(roi.get("ROIName") or "").strip()
        for roi in dataset.get("StructureSetROISequence", [])
    }
    drawn: dict[int, list[Dataset]] = {}
    for roi in dataset.get("ROIContourSequence", []):
        closed = [
            contour
            for contour in roi.get("ContourSequence", None) or []
            if contour.get("ContourGeometricType") in CLOSED and _numbers(contour).size
        ]
        if closed:
            drawn.setdefault(int(roi.ReferencedROINumber), []).extend(closed)
    plain = all(number > 0 for number in called)
    return {
        number if plain else place: (called.get(number) or f"ROI_{number}", drawn[number])
        for place, number in enumerate(called | drawn, 1)
        if number in drawn
    }


def _numbers(contour: "Dataset") -> np.ndarray:
    """Its data; from the bytes of the file, as pydicom makes an object of every number."""
    if CONTOUR_DATA not in contour:
        return np.empty(0)
    element = contour.get_item(CONTOUR_DATA)
    value = element.value
    if isinstance(value, bytes):
        value = value.rstrip(b"\0 ").split(b"\\") if value.strip(b"\0 ") else []
    return np.array([] if value is None else value, float).ravel()


def _in_voxels(contour: "Dataset", world_to_voxel: np.ndarray) -> np.ndarray:
    """The points of a contour (n, 3), in voxels of the grid."""
    points = _numbers(contour).reshape(-1, 3) @ LPS_TO_RAS
    return points @ world_to_voxel[:3, :3].T + world_to_voxel[:3, 3]
