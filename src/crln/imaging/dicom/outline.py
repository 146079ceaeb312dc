"""DICOM's two kinds of outline, told from scans by what is in the file: SEG and RTSTRUCT."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError, needs
from crln.imaging.dicom import rtstruct, seg
from crln.imaging.dicom.files import RTSTRUCT, outline_files
from crln.imaging.format import Content, Format, Output
from crln.imaging.grid import Grid

if TYPE_CHECKING:
    from pydicom import Dataset


class _Outline(Format):
    """A SEG or RTSTRUCT file, or a folder that holds one, beside slices or not.

    Each kind is read whatever the name says, and written by its own.
    """

    of_series = True
    outlines_only = True

    def grid(self, path: Path) -> Grid:
        """Of the frames that a SEG has; contours have none.

        Raises:
            CrlnError: it is an RTSTRUCT.
        """
        dataset = _read(path)
        if dataset.SOPClassUID == RTSTRUCT:
            raise CrlnError(
                f"{path}: contours have no grid of their own; give the scan's "
                "cohort, or a label with voxels"
            )
        return seg.own_grid(path, dataset)

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """Segment numbers on the grid of the frames."""
        return self.label(path, None, None)[0]

    def names(self, path: Path) -> dict[int, str]:
        """Of the segments or structures, by their number."""
        dataset = _read(path, pixels=False)
        kind = rtstruct if dataset.SOPClassUID == RTSTRUCT else seg
        return kind.names(dataset)

    def label(
        self,
        path: Path,
        like: Grid | None,
        wanted: Collection[int] | None,
        *,
        as_drawn: bool = False,
    ) -> tuple[np.ndarray, Grid]:
        """On the scan's grid, whatever the direction of its axes."""
        dataset = _read(path)
        if dataset.SOPClassUID == RTSTRUCT:
            if like is None or not like.known:
                raise CrlnError(
                    f"{path}: contours need the scan that they are drawn on, and its place; give a "
                    "label with voxels, or a scan that knows its place"
                )
            with needs("dicom", f"{path}: an RTSTRUCT"):
                return rtstruct.draw(path, dataset, like, wanted, as_drawn=as_drawn), like
        if like is None or not like.known:
            like = seg.own_grid(path, dataset)
        return seg.place(path, dataset, like, wanted), like


class Segmentation(_Outline):
    """DICOM SEG."""

    name = "DICOM SEG"
    option = "dicom-seg"
    suffixes = (".dcm", ".seg.dcm")

    def write(self, target: Path, output: Output) -> None:
        """Writes a segment a class; the scan is a DICOM series."""
        from crln.imaging.dicom import seg_write

        seg_write.write(target, output)


class StructureSet(_Outline):
    """DICOM RTSTRUCT."""

    name = "RTSTRUCT"
    option = "rtstruct"
    suffixes = (".rtstruct.dcm",)

    def write(self, target: Path, output: Output) -> None:
        """Writes a structure a class; the scan is a DICOM series."""
        from crln.imaging.dicom import rtstruct_write

        rtstruct_write.write(target, output)


def outline_in(folder: Path) -> Path | None:
    """The one outline among the slices of a series; None if there is none.

    Raises:
        CrlnError: there are several.
    """
    files = outline_files(folder) if folder.is_dir() else []
    return _only(folder, files) if files else None


def label_file(path: Path) -> Path:
    """The file of a label: the path itself, or the one outline in the folder that it is.

    Raises:
        CrlnError: the folder holds several.
    """
    return outline_in(path) or path


def _only(path: Path, files: list[Path]) -> Path:
    if len(files) > 1:
        raise CrlnError(
            f"{path}: holds {len(files)} outlines ({files[0].name}, {files[1].name}, ...); keep "
            "the one that is the label"
        )
    return files[0]


def _read(path: Path, *, pixels: bool = True) -> "Dataset":
    with needs("dicom", f"{path}: DICOM"):
        import pydicom
    files = outline_files(path)
    if not files:
        raise CrlnError(f"{path}: holds no DICOM SEG or RTSTRUCT; give the label, or remove it")
    return pydicom.dcmread(_only(path, files), force=True, stop_before_pixels=not pixels)
