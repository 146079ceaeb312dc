"""Segmentations of 3D Slicer: NRRD files whose header names the segments."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging.grid import Grid
from crln.imaging.itk import Itk, header, header_grid
from crln.imaging.placing import placed

_KEY = re.compile(r"Segment(\d+)_LabelValue")


@dataclass(frozen=True)
class _Segment:
    """One segment: where `layer` holds `stored`; known to the rest of the package by `value`."""

    value: int
    name: str
    layer: int
    stored: int


class Slicer(Itk):
    """A segmentation; segments that overlap lie in layers of their own.

    Slicer crops it to what is outlined, so that it is placed on the scan's grid.
    """

    outlines_only = True

    def __init__(self) -> None:
        super().__init__("3D Slicer's segmentation", (".seg.nrrd", ".seg.nhdr"))
        self.writes = False

    def grid(self, path: Path) -> Grid:
        """From the header, whatever the number of layers."""
        return header_grid(path, header(path))

    def names(self, path: Path) -> dict[int, str]:
        """Of every segment that the header describes."""
        return {segment.value: segment.name for segment in _segments(path)}

    def label(
        self,
        path: Path,
        like: Grid | None,
        wanted: Collection[int] | None,
        *,
        as_drawn: bool = False,
    ) -> tuple[np.ndarray, Grid]:
        """Of the segments that are wanted; on the scan's grid, where it lies on that."""
        grid, array = self.grid(path), self.voxels(path, "label")
        if array.ndim == 4:
            array = _flattened(path, array, wanted)
        return placed(array, grid, like) if like else (array, grid)


def _segments(path: Path) -> list[_Segment]:
    reader = header(path)
    found = []
    for key in reader.GetMetaDataKeys():
        if match := _KEY.fullmatch(key):
            number = int(match[1])

            def of(field: str, default: str, number: int = number) -> str:
                name = f"Segment{number}_{field}"
                return reader.GetMetaData(name).strip() if reader.HasMetaDataKey(name) else default

            stored = int(of("LabelValue", ""))
            name = of("Name", "") or of("ID", f"Segment_{number}")
            found.append((number, name, int(of("Layer", "0")), stored))
    found.sort()
    values = [value for *_, value in found]
    once = len(set(values)) == len(values)  # else each layer counts its own segments from 1
    return [
        _Segment(value if once else place, name, layer, value)
        for place, (_, name, layer, value) in enumerate(found, 1)
    ]


def _flattened(path: Path, layers: np.ndarray, wanted: Collection[int] | None) -> np.ndarray:
    """(X, Y, Z) of layers (X, Y, Z, L); CrlnError where two wanted segments overlap."""
    flat = np.zeros(layers.shape[:3], np.int32)
    names: dict[int, str] = {}
    for segment in _segments(path):
        if wanted is not None and segment.value not in wanted:
            continue
        inside = layers[..., segment.layer] == segment.stored
        if (taken := flat[inside].max(initial=0)) > 0:
            raise CrlnError(
                f"{path}: its segments {names[int(taken)]} and {segment.name} overlap (it has "
                f"{layers.shape[3]} layers); subtract one from the other in 3D Slicer, or save a "
                "label file a segment"
            )
        flat[inside] = segment.value
        names[segment.value] = segment.name
    return flat
