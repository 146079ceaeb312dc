"""Scans with their labels, and lists of case ids."""

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from crln.cohort.case import Case, Label
from crln.errors import CrlnError
from crln.files import read_text
from crln.imaging import (
    KNOWN,
    is_outline,
    label_file,
    list_folder,
    match_names,
    outline_in,
    readable_names,
    scan_stem,
    scan_suffix,
    scans_by_name,
)

_log = logging.getLogger("crln")

_COPY = re.compile(
    r"^copy of | - copy( \(\d+\))?$| copy( \d+)?$| ?\(\d+\)$|[_-]copy\d*$", re.IGNORECASE
)
"""What systems add to the name of a copy."""

_NOTES = (".txt", ".csv", ".tsv", ".json", ".xml", ".md", ".yaml", ".yml", ".log", ".pdf", ".html")
"""Endings of what people and programs lay beside scans."""

_DETACHED = (".mhd", ".nhdr")
"""Endings of headers whose voxels are in files beside them, of the same name."""


def find_scans(folders: Iterable[Path]) -> dict[str, Path]:
    """The scans in some folders by the name of their case; what else lies there is told.

    Raises:
        CrlnError: a folder cannot be read, two scans are of one case, a file holds outlines, or a
            name is not UTF-8.
    """
    entries = [entry for folder in folders for entry in readable_names(list_folder(folder))]
    if outlines := [entry for entry in entries if is_outline(entry)]:
        raise CrlnError(f"{outlines[0]}: holds outlines, among the scans; move it to the labels")
    tell_unread(entries)
    scans = scans_by_name(entries)
    _tell_copies(scans)
    return scans


def tell_unread(entries: Iterable[Path]) -> None:
    """Tells of files among scans that are of no kind that is read; notes are no scans.

    Args:
        entries: of one folder or several.
    """
    _tell_left_out([entry for entry in _unread(entries) if entry.suffix.lower() not in _NOTES])


def _tell_copies(scans: Mapping[str, Path]) -> None:
    """Tells of a scan whose name is that of another and what systems add to copies."""
    of = {name: _COPY.sub("", name) for name in scans}
    if copies := [name for name, other in of.items() if other != name and other in scans]:
        name, more = copies[0], f" (and {len(copies) - 1} more)" if len(copies) > 1 else ""
        _log.warning(
            "%s: looks like a copy of %s%s, and counts as a case of its own; remove it if it is "
            "one", scans[name], of[name], more,
        )  # fmt: skip


def find_labels(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """The label files of a folder, by name, and the files that are of no kind that is read.

    Raises:
        CrlnError: it cannot be read, two are of one name, or a name is not UTF-8.
    """
    if not folder.exists():
        return {}, []
    entries = readable_names(list_folder(folder))
    return scans_by_name(entries), _unread(entries)


def assign_labels(
    cases: Collection[str], labels: Mapping[str, Path], unread: Iterable[Path] = ()
) -> dict[str, Path]:
    """The label of each case that has one.

    A label whose name is near that of one case alone, as `case_01_seg`, is that case's, which is
    told.

    Args:
        cases: the ids.
        labels: label file by name.
        unread: files beside them that are of no kind that is read.

    Raises:
        CrlnError: a label has no scan, or could be of several; or the only label of a case is of a
            kind that is not read.
    """
    found = match_names(cases, labels)
    if found.rivals:
        name, other = next(iter(found.rivals.items()))
        beside = f"as {labels[other].name} does" if other and other in labels else "as others do"
        raise CrlnError(
            f"{labels[name]}: may belong to more than one scan, or to the same {beside}; rename it "
            "as its scan, or remove it"
        )
    if found.orphans:
        name, near = next(iter(found.orphans.items()))
        remedy = (
            f"; if it is of {near}, rename it {near}{scan_suffix(labels[name])}" if near else ""
        )
        more = f" (so are {len(found.orphans) - 1} more)" if len(found.orphans) > 1 else ""
        raise CrlnError(
            f"{labels[name]}: a label without a scan{more}; add the scan {name}, or remove the "
            f"label{remedy}"
        )
    if found.near:
        name, case = next(iter(found.near.items()))
        more = f" (and {len(found.near) - 1} more by near names)" if len(found.near) > 1 else ""
        _log.warning("%s: taken for the label of %s%s", labels[name], case, more)
    assigned = {case: labels[case] for case in found.exact}
    assigned |= {case: labels[name] for name, case in found.near.items()}
    _refuse_unread(cases, assigned, list(unread))
    return assigned


def _refuse_unread(
    cases: Collection[str], assigned: Mapping[str, Path], unread: list[Path]
) -> None:
    """Refuses a file that may be a case's only label and is not read; tells of the others."""
    images = [path for path in unread if path.suffix.lower() not in _NOTES]
    stems = {path.name.split(".")[0]: path for path in images}
    found = match_names(cases, stems)
    for name, case in [*((name, name) for name in sorted(found.exact)), *found.near.items()]:
        if case not in assigned:
            raise CrlnError(
                f"{stems[name]}: a label of a kind that is not read; convert it to .nii.gz (read: "
                f"{KNOWN}), or remove it"
            )
    _tell_left_out(unread)


def _unread(entries: Iterable[Path]) -> list[Path]:
    """The files that are of no kind that is read, nor hold the voxels of a header beside them."""
    entries = list(entries)
    headers = {entry.with_suffix("") for entry in entries if entry.suffix.lower() in _DETACHED}
    return [
        entry
        for entry in entries
        if not scan_suffix(entry) and headers.isdisjoint(_stems(entry)) and entry.is_file()
    ]


def _stems(path: Path) -> tuple[Path, Path]:
    """Without its last ending, and without the last two: a.raw.gz holds the voxels of a.nhdr."""
    return path.with_suffix(""), path.with_suffix("").with_suffix("")


def _tell_left_out(files: list[Path]) -> None:
    if files:
        names = ", ".join(file.name for file in files[:3]) + (", ..." if len(files) > 3 else "")
        _log.warning(
            "%s: left out, of a kind that is not read: %s (%d)",
            files[0].parent, names, len(files),
        )  # fmt: skip


def pair_labels(
    images: Mapping[str, tuple[Path, ...]], labels: Mapping[str, Path]
) -> dict[str, Case]:
    """A case per scan, with its label if there is one, sorted by id.

    A series of DICOM slices may have its label among them, as an RTSTRUCT or a SEG.
    """
    beside = {id: outline_in(images[id][0]) for id in images.keys() - labels.keys()}
    found = {id: label for id, label in beside.items() if label}
    found |= {id: label_file(path) for id, path in labels.items()}
    return {
        id: Case(id, images[id], Label(found[id]) if id in found else None) for id in sorted(images)
    }


def read_list(path: Path) -> list[str]:
    """The case ids of a list, one a line; file names and paths of scans count too.

    Raises:
        CrlnError: the list cannot be read, or names a case twice.
    """
    lines = read_text(path, "write one case id a line").splitlines()
    # A list of another system may have its separators.
    names = [line.strip().replace("\\", "/") for line in lines]
    ids = [scan_stem(Path(name)) for name in names if name]
    if twice := repeated(ids):
        raise CrlnError(f"{path}: names case {twice} twice; remove one")
    return ids


def repeated(ids: Iterable[str]) -> str | None:
    """The first id that occurs a second time."""
    seen: set[str] = set()
    for id in ids:
        if id in seen:
            return id
        seen.add(id)
    return None
