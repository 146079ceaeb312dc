"""The series in a tree of folders, such as the export of a PACS or a CD."""

from dataclasses import dataclass
from pathlib import Path

from crln.errors import CrlnError
from crln.imaging.dicom.files import (
    Headers,
    by_series,
    dicom_files,
    dicom_folders,
    has_frames,
    read_header,
    scans_among,
    series_uid,
)
from crln.imaging.faults import reading


@dataclass(frozen=True)
class SeriesFound:
    """A series and the path that stands for it.

    Attributes:
        uid: its SeriesInstanceUID.
        path: its folder, if that holds no other; else one of its slices, or its file of many
            frames.
        name: the folder's or, of a file of many frames, the file's; of others that share a folder
            the UID.
    """

    uid: str
    path: Path
    name: str


def find_series(root: Path) -> list[SeriesFound]:
    """The series in a folder and those below it, in the order of the folders.

    A DICOMDIR is not needed, and not looked at; what is no scan, as a report or a segmentation, is
    left out.

    Raises:
        CrlnError: the slices of one series lie in two folders.
    """
    found: list[SeriesFound] = []
    folder_of: dict[str, Path] = {}
    for folder in dicom_folders(root):
        for series in _series_in(folder):
            before = folder_of.setdefault(series.uid, folder) if series.uid else folder
            if before != folder:
                raise CrlnError(
                    f"{folder}: holds slices of a series that is in {before} too; put them into "
                    "one folder"
                )
            found.append(series)
    return found


def series_at(slice: Path) -> SeriesFound:
    """The series that a slice, or a file of many frames, belongs to.

    Raises:
        CrlnError: the file cannot be read.
    """
    with reading(slice):
        own = read_header(slice)
    if has_frames(own):
        return SeriesFound(series_uid(own), slice, _stem(slice))
    uid = series_uid(own)
    found = [series for series in _series_in(slice.parent) if series.uid == uid]
    return found[0] if found else SeriesFound(uid, slice, _stem(slice))


def _series_in(folder: Path) -> list[SeriesFound]:
    try:
        with reading(folder):
            series = by_series(scans_among(dicom_files(folder)))
    except CrlnError:  # told when the scan is read
        return [SeriesFound("", folder, folder.name)]
    if len(series) == 1:
        return [SeriesFound(uid, folder, folder.name) for uid in series]
    return [one for uid, headers in series.items() for one in _one_of_several(uid, headers)]


def _one_of_several(uid: str, headers: Headers) -> list[SeriesFound]:
    whole = [file for file, header in headers.items() if has_frames(header)]
    if whole:
        return [SeriesFound(uid, file, _stem(file)) for file in whole]
    return [SeriesFound(uid, next(iter(headers)), uid)]


def _stem(file: Path) -> str:
    return file.name.removesuffix(".dcm")
