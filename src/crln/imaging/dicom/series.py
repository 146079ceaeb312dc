"""One DICOM series as a scan: the slices in a folder, or those that one slice belongs to."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from crln.errors import CrlnError
from crln.imaging.dicom.files import (
    Headers,
    by_series,
    dicom_files,
    dicom_folders,
    has_frames,
    is_dicom_file,
    read_header,
    scans_among,
    series_uid,
)
from crln.imaging.dicom.frames import Frame, frames_of
from crln.imaging.dicom.geometry import arrange
from crln.imaging.dicom.values import read_values
from crln.imaging.format import Content, Format
from crln.imaging.grid import Grid

_SUFFIX = ".dcm"


class Series(Format):
    """A folder that holds the slices of one series, or one slice, which stands for its series.

    A file of many frames is a whole scan; so a path to it may stand for it alone.
    """

    name = "a folder of DICOM slices"
    writes = False

    def case(self, path: Path) -> str:
        """The folder's name, or the file's without its suffix."""
        return path.name if path.is_dir() else path.name.removesuffix(_SUFFIX)

    def grid(self, path: Path) -> Grid:
        """From the place that each slice states.

        Raises:
            CrlnError: not one series of two or more evenly spaced slices; what is wrong is named.
        """
        return self.scan(path)[0]

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """Rescaled, slices in the order of their places."""
        return self.scan(path)[1]()

    def scan(self, path: Path) -> tuple[Grid, Callable[[], np.ndarray]]:
        """Both from one reading of the headers, of which a series has hundreds."""
        frames, grid = arrange(path, _frames(path))
        return grid, partial(read_values, frames)


def slice_files(path: Path) -> list[Path]:
    """The files of a series in the order of Z; none where the path stands for none.

    Raises:
        CrlnError: as `Series.grid`.
    """
    if not path.is_dir() and not is_dicom_file(path):
        return []
    ordered, _ = arrange(path, _frames(path))
    return list(dict.fromkeys(frame.file for frame in ordered))


def _frames(path: Path) -> list[Frame]:
    """All slices of the series that a path stands for, in no order; copies count once."""
    headers = _series_of(path)
    once = {str(header.get("SOPInstanceUID") or file): file for file, header in headers.items()}
    return [frame for file in once.values() for frame in frames_of(path, file, headers[file])]


def _series_of(path: Path) -> Headers:
    """The headers of the series in a folder, or of that which a file belongs to.

    Raises:
        CrlnError: there is none, or several.
    """
    if path.is_dir():
        # A folder of folders counts as one scan where it holds one.
        files = dicom_files(path) or [
            file for folder in dicom_folders(path) for file in dicom_files(folder)
        ]
        headers = scans_among(files)
    else:
        own = read_header(path)
        if has_frames(own):
            return {path: own}
        uid, files = series_uid(own), dicom_files(path.parent)
        beside = scans_among(files)
        headers = {file: header for file, header in beside.items() if series_uid(header) == uid}
    if not headers and files:
        raise _no_scan(path, files)
    series = by_series(headers)
    if not series:
        raise CrlnError(f"{path}: holds no DICOM series; give a scan, or a folder of DICOM slices")
    if len(series) > 1:
        slices = ", ".join(_shown(found) for found in list(series.values())[:4])
        raise CrlnError(
            f"{path}: holds {len(series)} DICOM series; give a folder for each, or a slice of the "
            f"one that is meant: {slices}"
        )
    return headers


def _shown(headers: Headers) -> str:
    (file, header), *others = headers.items()
    kind = header.get("Modality") or "DICOM"
    count = len(others) + 1
    return f"{file.name} ({kind}, {count} {'file' if count == 1 else 'files'})"


def _no_scan(path: Path, files: list[Path]) -> CrlnError:
    """The line for DICOM files that hold no voxels of a scan."""
    classes = (read_header(file).get("SOPClassUID") for file in files)
    kinds = sorted({str(getattr(found, "name", "") or "unknown") for found in classes})
    return CrlnError(
        f"{path}: holds no scan, but DICOM of other kinds ({', '.join(kinds)}); give the series of "
        "slices"
    )
