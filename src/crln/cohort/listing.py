"""What lies in a folder: scans by case, and lists of case ids."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from crln.cohort.case import Case, Label
from crln.errors import CrlnError
from crln.files import read_text
from crln.imaging import scan_stem, scan_suffix

_CHANNEL = re.compile(r"(.+)_(\d{4})")


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted by name, hidden ones left out.

    Raises:
        CrlnError: the folder is missing or may not be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError as error:
        raise CrlnError(f"{folder}: no such folder; check the path") from error
    except OSError as error:
        raise CrlnError(
            f"{folder}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def scans_by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """The scans among some paths (a folder counts as a DICOM series), by their case's name.

    Raises:
        CrlnError: two are of the same name.
    """
    scans: dict[str, Path] = {}
    for path in paths:
        if scan_suffix(path) or path.is_dir():
            first = scans.setdefault(scan_stem(path), path)
            if first != path:
                raise CrlnError(f"{path}: of the same case as {first}; rename or remove one")
    return scans


def group_channels(
    scans: Mapping[str, Path], labels: Iterable[str] = ()
) -> dict[str, tuple[Path, ...]]:
    """The scans of each case, one per channel, where `case_0000`, `case_0001`, ... are channels.

    Names are taken as they are if one of them does not end so, or names a label ("case_0007" is
    then a case of its own).

    Args:
        scans: path by name.
        labels: the names of the label files.

    Raises:
        CrlnError: a case lacks a channel that the others have.
    """
    matches = {name: _CHANNEL.fullmatch(name) for name in scans}
    if not all(matches.values()) or not matches.keys().isdisjoint(labels):
        return {name: (path,) for name, path in scans.items()}
    channels: dict[str, dict[int, Path]] = {}
    for name, match in matches.items():
        assert match is not None
        channels.setdefault(match[1], {})[int(match[2])] = scans[name]
    expected = sorted(set().union(*channels.values()))
    for case, found in channels.items():
        if len(found) != len(expected) or expected[-1] != len(expected) - 1:
            missing = min(set(range(expected[-1] + 1)) - found.keys())
            channel, one = next(iter(found.items()))
            raise CrlnError(
                f"{one}: looks like channel {channel:04d} of case {case}, which has no channel "
                f"{missing:04d}; add that file, or remove the case; if the digits number cases, "
                "end the names otherwise, or list the cases in a cohort.yaml"
            )
    return {case: tuple(found[c] for c in expected) for case, found in channels.items()}


def pair_labels(
    images: Mapping[str, tuple[Path, ...]], labels: Mapping[str, Path]
) -> dict[str, Case]:
    """A case per scan, with its label if there is one, sorted by id.

    Raises:
        CrlnError: a label has no scan.
    """
    if orphans := sorted(labels.keys() - images.keys()):
        raise CrlnError(
            f"{labels[orphans[0]]}: a label without a scan; add the scan {orphans[0]}, or remove "
            "the label"
        )
    return {
        id: Case(id, images[id], Label(labels[id]) if id in labels else None)
        for id in sorted(images)
    }


def read_list(path: Path) -> list[str]:
    """The case ids of a list, one a line; file names and paths of scans count too.

    Raises:
        CrlnError: the list cannot be read, or names a case twice.
    """
    lines = read_text(path, "write one case id a line").splitlines()
    ids = [scan_stem(Path(line.strip())) for line in lines if line.strip()]
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
