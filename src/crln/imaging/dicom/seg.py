"""DICOM SEG as a label: the frames of each segment, placed on the scan's grid."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crln.errors import CrlnError
from crln.imaging.dicom.geometry import rounding
from crln.imaging.grid import Grid
from crln.imaging.itk import ras_affine
from crln.imaging.overlap import Overlaps
from crln.imaging.telling import tell_once

if TYPE_CHECKING:
    from pydicom import Dataset

_APART, _MOST_APART = 0.1, 0.35
"""Share of a voxel that a frame may lie off the scan's voxels, and where positions are rounded
coarsely."""

VALUE_NOTE = "label value {}"
"""What the description of a segment says where its number is not the label value."""


def names(dataset: "Dataset") -> dict[int, str]:
    """Label value -> name of each segment."""
    return dict(_segments(dataset).values())


def own_grid(path: Path, dataset: "Dataset") -> Grid:
    """The smallest grid that holds all frames.

    Raises:
        CrlnError: the frames do not lie in evenly spaced planes.
    """
    frames = list(_frames(path, dataset))
    first = frames[0]
    normal = np.cross(first[:3, 0], first[:3, 1])
    normal /= np.linalg.norm(normal)
    depths = np.array([frame[:3, 3] @ normal for frame in frames])
    planes = np.unique(np.round(depths - depths.min(), 3))
    step = float(np.diff(planes).min()) if len(planes) > 1 else _thickness(dataset)
    count = round(planes[-1] / step) + 1
    origin = frames[int(np.argmin(depths))][:3, 3]
    affine = np.eye(4)
    affine[:3] = np.column_stack([first[:3, :2], normal * step, origin])
    if np.abs(planes / step - np.rint(planes / step)).max() > _APART:
        raise CrlnError(f"{path}: its frames are unevenly spaced; export the segmentation again")
    return Grid((int(dataset.Columns), int(dataset.Rows), count), affine)


def place(path: Path, dataset: "Dataset", grid: Grid, wanted: Collection[int] | None) -> np.ndarray:
    """Label values (X, Y, Z) on the scan's grid; a slice without a frame is background.

    Fractional segments count where they fill half of a voxel or more, or are as probable.

    Args:
        path: the file, for errors.
        dataset: of it.
        grid: the scan's.
        wanted: label values; None: all.

    Raises:
        CrlnError: its frames do not lie on the scan's voxels, or voxels cannot be decoded.
    """
    segments = _segments(dataset)
    kept = {
        number: value
        for number, (value, _) in segments.items()
        if wanted is None or value in wanted
    }
    overlaps = Overlaps(grid.shape, dict(segments.values()))
    world_to_voxel = np.linalg.inv(grid.to_world)
    # Of two rounded positions, the frame's and that of the scan's first slice.
    rounded = 2 * rounding(np.array([frame[:3, 3] for frame in _frames(path, dataset)]))
    allowed = min(max(_APART, rounded / min(grid.spacing)), _MOST_APART)
    for number, frame, affine in _planes(path, dataset):
        if number is not None and number not in kept:
            continue
        where = _on_grid(path, world_to_voxel @ affine, allowed)
        for of, mask in _masks(number, frame, kept):
            columns = np.argwhere(mask)  # (row, column) of the frame
            if not len(columns):
                continue
            voxels = where[:3, 3] + columns[:, 1:] * where[:3, 0] + columns[:, :1] * where[:3, 1]
            if (voxels < 0).any() or (voxels >= grid.shape).any():
                raise CrlnError(
                    f"{path}: a segment lies outside of the scan; give the scan that was segmented"
                )
            overlaps.add(kept[of], tuple(voxels.astype(np.intp).T))
    _tell(path, dataset)
    return overlaps.settle(path)


def _segments(dataset: "Dataset") -> dict[int, tuple[int, str]]:
    """Segment number -> label value and name."""
    found = {}
    for item in dataset.get("SegmentSequence", []):
        number = int(item.SegmentNumber)
        noted = re.fullmatch(VALUE_NOTE.format(r"(-?\d+)"), item.get("SegmentDescription") or "")
        if number:
            name = str(item.get("SegmentLabel") or f"Segment_{number}").strip()
            found[number] = (int(noted[1]) if noted else number, name)
    return found


def _tell(path: Path, dataset: "Dataset") -> None:
    if dataset.get("SegmentationType") == "FRACTIONAL":
        tell_once(f"{path}: fractional segments; half of a voxel and more counts as inside")


def _masks(
    number: int | None, frame: np.ndarray, kept: Collection[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Each segment in a frame, (Rows, Columns) bool; the values of a label map are numbers."""
    if number is not None:
        yield number, frame
    else:
        yield from ((int(of), frame == of) for of in np.unique(frame) if of in kept)


def _planes(path: Path, dataset: "Dataset") -> Iterator[tuple[int | None, np.ndarray, np.ndarray]]:
    """Of each frame: segment number (None in a label map), voxels and affine, as `_frames`."""
    fractional = dataset.get("SegmentationType") == "FRACTIONAL"
    half = int(dataset.get("MaximumFractionalValue", 1)) / 2
    label_map = dataset.get("SegmentationType") == "LABELMAP"
    groups = _groups(dataset)
    for group, affine, frame in zip(groups, _frames(path, dataset), _pixels(dataset), strict=True):
        if label_map:
            yield None, frame, affine
            continue
        identified = _item(dataset, group, "SegmentIdentificationSequence")
        inside = frame >= half if fractional else frame > 0
        yield int(identified.ReferencedSegmentNumber), inside, affine


def _pixels(dataset: "Dataset") -> Iterator[np.ndarray]:
    """Each frame, (Rows, Columns)."""
    from pydicom.pixels import iter_pixels

    if dataset.BitsAllocated > 1 or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(dataset)
        return
    # One bit a pixel, no frame padded to whole bytes, which pydicom's iterator takes for granted.
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    size = dataset.Rows * dataset.Columns
    for first in range(0, size * int(dataset.NumberOfFrames), size):
        held = packed[first // 8 : -(-(first + size) // 8)]
        bits = np.unpackbits(held, bitorder="little")[first % 8 :][:size]
        yield bits.reshape(dataset.Rows, dataset.Columns)


def _groups(dataset: "Dataset") -> list[Any]:
    return list(dataset.PerFrameFunctionalGroupsSequence)


def _item(dataset: "Dataset", group: "Dataset", name: str) -> "Dataset":
    """The item of a functional group, of the frame or shared."""
    if sequence := group.get(name):
        return sequence[0]
    return getattr(dataset.SharedFunctionalGroupsSequence[0], name)[0]


def _frames(path: Path, dataset: "Dataset") -> Iterator[np.ndarray]:
    """Of each frame (4, 4): column, row, nothing, one -> millimetres in RAS+."""
    try:
        for group in _groups(dataset):
            position = _item(dataset, group, "PlanePositionSequence").ImagePositionPatient
            turned = _item(dataset, group, "PlaneOrientationSequence").ImageOrientationPatient
            measures = _item(dataset, group, "PixelMeasuresSequence").PixelSpacing
            row, column = np.reshape(turned, (2, 3)).astype(float)
            direction = np.column_stack([row, column, np.cross(row, column)])
            along_y, along_x = map(float, measures)
            yield ras_affine(direction, (along_x, along_y, 1.0), tuple(map(float, position)))
    except (AttributeError, IndexError, TypeError) as error:
        raise CrlnError(
            f"{path}: a frame does not state its place ({error}); export it again"
        ) from error


def _thickness(dataset: "Dataset") -> float:
    measures = _item(dataset, _groups(dataset)[0], "PixelMeasuresSequence")
    return float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1)


def _on_grid(path: Path, frame: np.ndarray, allowed: float) -> np.ndarray:
    """A frame's affine to the scan's voxels, rounded: it must map voxels onto voxels.

    Raises:
        CrlnError: it does not.
    """
    whole = np.rint(frame)
    steps = np.abs(whole[:3, :2])
    apart = np.abs(frame[:3] - whole[:3])
    # the first pixel is where it should be, and so are those 500 further on
    if (steps.sum(0) != 1).any() or apart[:, 3].max() > allowed or apart[:, :2].max() > 1e-3:
        raise CrlnError(
            f"{path}: a frame lies between the scan's voxels; segment this scan, or export the "
            "segmentation on its grid"
        )
    return whole
