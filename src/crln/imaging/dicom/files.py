"""Which files are DICOM, and what their headers say of them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from crln.errors import needs
from crln.imaging.clutter import is_clutter

if TYPE_CHECKING:
    from pydicom import Dataset

Headers = dict[Path, "Dataset"]

_OF_SERIES = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns")
_OF_PLACE = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
_OF_VALUES = ("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames")
_OF_FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_TAGS = [*_OF_SERIES, *_OF_PLACE, *_OF_VALUES, *_OF_FRAMES]

SEG, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP classes: segments as voxels, one bit each or one value for all; structures as contours."""
_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_NOT_SCANS = (SEG, LABEL_MAP, _DOSE)
"""Kinds of DICOM that have voxels, as a scan has, but are no scan."""

_INDEX = "DICOMDIR"
_MARK = slice(128, 132)
"""Where a DICOM file says that it is one."""
_HEADS = (b"\x02\x00", b"\x08\x00")
"""The groups that a file without a preamble begins with, little endian."""
_LONGEST = 1024
"""Of the first value of such a file."""
_HEAD = 2048
"""Bytes within which a file says of which class it is."""


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes; with or without a preamble, but no DICOMDIR."""
    if path.name.upper() == _INDEX or is_clutter(path):
        return False
    try:
        with path.open("rb") as opened:
            start = opened.read(_MARK.stop)
    except OSError:
        return False
    return start[_MARK] == b"DICM" or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """Whether bytes are those of a first data element: group, element, type, length."""
    if start[:2] not in _HEADS or len(start) < 8:
        return False
    if start[4:6].isalpha() and start[4:6].isupper():  # its type is given
        return int.from_bytes(start[6:8], "little") < _LONGEST
    return int.from_bytes(start[4:8], "little") < _LONGEST


def sop_class(path: Path) -> str:
    """The class that a DICOM file says it is of; "" if it is no DICOM file.

    Read from its first bytes, so that thousands of slices take no time.
    """
    try:
        with path.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError:
        return ""
    tag = b"\x02\x00\x02\x00UI" if head[_MARK] == b"DICM" else b"\x08\x00\x16\x00UI"
    at = head.find(tag)
    if at < 0:
        return ""
    size = int.from_bytes(head[at + 6 : at + 8], "little")
    return head[at + 8 : at + 8 + size].rstrip(b"\0 ").decode("ascii", "replace")


def is_dicom_outline(path: Path) -> bool:
    """Whether a file is a SEG or an RTSTRUCT."""
    return sop_class(path) in (SEG, LABEL_MAP, RTSTRUCT)


def outline_files(path: Path) -> list[Path]:
    """The SEG and RTSTRUCT files that a path is, or those directly in a folder, by name."""
    files = _entries(path) if path.is_dir() else [path]
    return [file for file in files if is_dicom_outline(file)]


def is_dicom_folder(path: Path, others: Iterable[str] = ()) -> bool:
    """Whether a folder holds DICOM files; False if it is none, or may not be read.

    Args:
        path: the folder.
        others: suffixes of files that are of other formats, which are not looked into.
    """
    return any(is_dicom_file(file) for file in _entries(path, tuple(others)))


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files directly in a folder, sorted."""
    return [file for file in _entries(folder) if is_dicom_file(file)]


def dicom_folders(path: Path) -> list[Path]:
    """A folder and those below it that hold DICOM files themselves, sorted."""
    found = []
    for folder, children, _ in os.walk(path):
        children[:] = sorted(child for child in children if not is_clutter(Path(child)))
        if is_dicom_folder(Path(folder)):
            found.append(Path(folder))
    return found


def _entries(path: Path, others: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files of a folder, sorted, but clutter and those of other formats."""
    try:
        entries = sorted(path.iterdir())
    except OSError:
        return
    for entry in entries:
        other = entry.name.lower().endswith(others) or is_clutter(entry)
        if not other and entry.is_file():
            yield entry


def read_header(path: Path) -> "Dataset":
    """What is asked here of a file, without its voxels.

    Raises:
        CrlnError: pydicom is not installed.
    """
    with needs("dicom", f"{path}: DICOM"):
        import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS), force=True)


def has_frames(header: "Dataset") -> bool:
    """Whether a file holds many frames, and so is a scan by itself."""
    return int(header.get("NumberOfFrames") or 1) > 1


def series_uid(header: "Dataset") -> str:
    """The SeriesInstanceUID; "" where it was taken out."""
    return str(header.get("SeriesInstanceUID") or "")


def by_series(headers: Headers) -> dict[str, Headers]:
    """Headers of files by the series that they are of, in the order of the first files."""
    found: dict[str, Headers] = {}
    for file, header in headers.items():
        found.setdefault(series_uid(header), {})[file] = header
    return found


def scans_among(files: Iterable[Path]) -> Headers:
    """The headers of those DICOM files that hold voxels of a scan.

    One that is of the kind of the others and cut off before its voxels is among them, so that it is
    named, and no slice seems missing.
    """
    headers = {file: read_header(file) for file in files}
    scans = {file for file, header in headers.items() if _has_voxels(header)}
    kinds = {headers[file].get("SOPClassUID") for file in scans} - {None, ""}
    return {
        file: header
        for file, header in headers.items()
        if file in scans or header.get("SOPClassUID") in kinds
    }


def _has_voxels(header: "Dataset") -> bool:
    """Whether a header tells of voxels of a scan, though the tags may be empty."""
    told = "Rows" in header or "Columns" in header
    return told and header.get("SOPClassUID") not in _NOT_SCANS
