"""The slices of a series: each a frame of a file, with its place."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crln.errors import CrlnError
from crln.imaging.faults import check_room

if TYPE_CHECKING:
    from pydicom import Dataset

_GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "ImagePositionPatient": "PlanePositionSequence",
}
"""Where an enhanced file, of many frames, keeps what another has in its header."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice.

    Attributes:
        file: that it is in.
        index: which of the file's frames it is.
        shape: columns, rows.
        spacing: between columns, between rows, in mm.
        axes: (2, 3), where the columns and the rows are counted to, in LPS.
        position: (3,), of its first voxel, in LPS.
        rescale: slope and intercept of a frame of an enhanced file, which may differ from frame to
            frame.
        read_as: those of the file's first frame, which GDCM takes for all of them.
    """

    file: Path
    index: int
    shape: tuple[int, int]
    spacing: tuple[float, float]
    axes: np.ndarray
    position: np.ndarray
    rescale: tuple[float, float] = (1.0, 0.0)
    read_as: tuple[float, float] = (1.0, 0.0)


def frames_of(path: Path, file: Path, header: "Dataset") -> list[Frame]:
    """The slices of one file.

    Args:
        path: what was asked for, for the error.
        file: one file of it.
        header: its header.

    Raises:
        CrlnError: colour, or a slice does not state its place.
    """
    if int(header.get("SamplesPerPixel") or 1) != 1:
        kind = header.get("PhotometricInterpretation") or "several values a voxel"
        raise CrlnError(
            f"{path}: colour slices ({kind}, {file.name}) where grey values are due; export the "
            "series in grey"
        )
    count = int(header.get("NumberOfFrames") or 1)
    sides = [int(header.get(side) or 0) for side in ("Columns", "Rows")]
    check_room(file, [*sides, count], file.stat().st_size)
    groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    if not groups and count > 1:
        raise CrlnError(
            f"{path}: multi-frame without a place for each frame ({_kind(header)}, {file.name}); "
            "convert it to NIfTI, with dcm2niix for one, and give that"
        )
    if not groups:
        return [_frame(path, file, header, [header], 0)]
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    frames = [
        _frame(path, file, header, [group, *shared], index) for index, group in enumerate(groups)
    ]
    return [replace(frame, read_as=frames[0].rescale) for frame in frames]


def _frame(path: Path, file: Path, header: "Dataset", groups: "list[Dataset]", index: int) -> Frame:
    def told(name: str, count: int) -> list[float]:
        value = _find(header, groups, name)
        values = [] if value in (None, "") else list(np.atleast_1d(value))
        if len(values) != count:
            raise CrlnError(
                f"{path}: a slice does not state its place ({file.name} has no {name}); export "
                "the series again"
            )
        return [float(value) for value in values]

    def side(name: str) -> int:
        value = header.get(name)
        if not value:
            raise CrlnError(f"{path}: {file.name} has no {name}; export the series again")
        return int(value)

    along_y, along_x = told("PixelSpacing", 2)
    axes = np.reshape(told("ImageOrientationPatient", 6), (2, 3))
    position = np.array(told("ImagePositionPatient", 3))
    shape = side("Columns"), side("Rows")
    return Frame(file, index, shape, (along_x, along_y), axes, position, _rescale(groups))


def _rescale(groups: "list[Dataset]") -> tuple[float, float]:
    """Slope and intercept of a frame of an enhanced file; 1 and 0 where none are given."""
    for group in groups:
        if items := group.get("PixelValueTransformationSequence"):
            slope, intercept = items[0].get("RescaleSlope"), items[0].get("RescaleIntercept")
            return float(slope or 1), float(intercept or 0)
    return 1.0, 0.0


def _find(header: "Dataset", groups: "list[Dataset]", name: str) -> Any:
    """A value of a frame's own groups, of those that all frames share, or of the header."""
    for group in groups:
        items = group.get(_GROUPS[name])
        if items and items[0].get(name) not in (None, ""):
            return items[0].get(name)
    return header.get(name)


def _kind(header: "Dataset") -> str:
    return str(getattr(header.get("SOPClassUID"), "name", "") or "of no known kind")
