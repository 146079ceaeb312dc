"""Which files of a folder are scans, of which case, and which channel of it.

Decided here alone, so that training, prediction and evaluation see the same cases.
"""

import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from crln.errors import CrlnError
from crln.imaging.clutter import is_clutter
from crln.imaging.formats import scan_stem, scan_suffix
from crln.imaging.near import near_key

_log = logging.getLogger("crln")

_CHANNEL = re.compile(r"(.+)_(\d{4})")


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder, sorted by name, without what is hidden or a system left there.

    Raises:
        CrlnError: the folder is missing or may not be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not is_clutter(entry))
    except FileNotFoundError as error:
        raise CrlnError(f"{folder}: no such folder; check the path") from error
    except OSError as error:
        raise CrlnError(
            f"{folder}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def readable_names(paths: Iterable[Path]) -> list[Path]:
    """The paths; CrlnError where a name is not UTF-8, which no list or table could hold."""
    paths = list(paths)
    for path in paths:
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise CrlnError(f"{shown}: its name is not UTF-8; rename it") from error
    return paths


def scans_by_name(
    paths: Iterable[Path], clash: str = "of the same case as {}; rename or remove one"
) -> dict[str, Path]:
    """The scans among some paths (a folder counts as a DICOM series), by the name of their case.

    Args:
        paths: in the order of the result; a path that comes twice counts once.
        clash: what to say of two of one name; {} is the first.

    Raises:
        CrlnError: two are of the same name.
    """
    scans: dict[str, Path] = {}
    for path in paths:
        if scan_suffix(path) or path.is_dir():
            first = scans.setdefault(scan_stem(path), path)
            if first != path:
                raise CrlnError(f"{path}: {clash.format(first)}")
    return scans


def group_channels(
    scans: Mapping[str, Path],
    labels: Iterable[str] = (),
    *,
    channels: int | None = None,
    outright: Collection[Path] = (),
) -> dict[str, tuple[Path, ...]]:
    """The scans of each case, one per channel, where `case_0000`, `case_0001`, ... are channels.

    Names are taken as they are where most do not end so, or where most labels have them whole
    ("case_0007" is then a case of its own). Else a name that does not end so is a case of its own,
    which is told. Where the number of channels is known, digits that go past it number cases too,
    if a name has several of them.

    Args:
        scans: path by name.
        labels: the names of the label files.
        channels: how many a case has, if that is known.
        outright: scans that somebody named one by one: a single channel's digits are its name.

    Raises:
        CrlnError: a case lacks a channel that the others have.
    """
    matches = {name: _CHANNEL.fullmatch(name) for name in scans}
    if not _are_channels(matches, labels, channels):
        return {name: (path,) for name, path in scans.items()}
    found: dict[str, dict[int, Path]] = {}
    for name, match in matches.items():
        if match:
            found.setdefault(match[1], {})[int(match[2])] = scans[name]
    count = channels or 1 + max(map(max, found.values()), default=0)
    numbered = set() if channels is None else _numbered(found, channels, outright)
    cases: dict[str, dict[int, Path]] = {}
    for name, match in matches.items():
        channel = match is not None and match[1] not in numbered
        case, number = (match[1], int(match[2])) if match and channel else (name, 0)
        if channel and sorted(found[case]) != list(range(count)):
            raise _missing(case, found[case], count)
        first = cases.setdefault(case, {}).setdefault(number, scans[name])
        if first != scans[name]:
            raise CrlnError(f"{scans[name]}: of the same case as {first}; rename or remove one")
    odd = [scans[name] for name, match in matches.items() if match is None]
    if 0 < len(odd) < len(scans):
        _tell_odd(odd, count, refuse=channels is None and count > 1)
    return {case: tuple(files[n] for n in sorted(files)) for case, files in cases.items()}


def _are_channels(
    matches: Mapping[str, re.Match[str] | None], labels: Iterable[str], channels: int | None
) -> bool:
    """Whether the four digits that names end in tell channels."""
    stems = {name: match[1] for name, match in matches.items() if match}
    keys = {near_key(label) for label in labels}
    whole = sum(near_key(name) in keys for name in matches)
    if whole:
        return len(keys & {near_key(stem) for stem in stems.values()}) > whole
    if len(stems) == len(matches) or (channels or 1) > 1:
        return True
    # Some names have no digits: those of the others tell channels where each has channel 0.
    first = {match[1] for match in matches.values() if match and int(match[2]) == 0}
    return len(stems) > len(matches) / 2 and first == set(stems.values())


def _tell_odd(odd: list[Path], channels: int, *, refuse: bool) -> None:
    """Tells of scans whose names end in no channel, among others; or raises CrlnError."""
    due = "_0000" if channels == 1 else f"_0000 to _{channels - 1:04d}"
    more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    line = f"{odd[0]}{more}: ends in no channel, {due}, as the others do"
    if refuse:
        raise CrlnError(f"{line}; rename or remove it")
    _log.warning("%s; taken for a case of its own", line)


def _numbered(
    found: Mapping[str, Mapping[int, Path]], channels: int, outright: Collection[Path]
) -> set[str]:
    """The names behind which digits number cases, not channels."""
    several = {case for case, files in found.items() if len(files) > 1 and max(files) >= channels}
    alone = {
        case
        for case, files in found.items()
        if channels == 1 and len(files) == 1 and 0 not in files and {*files.values()} <= {*outright}
    }
    return several | alone


def _missing(case: str, found: Mapping[int, Path], channels: int) -> CrlnError:
    missing = min(set(range(channels)) - found.keys())
    channel, path = next(iter(found.items()))
    return CrlnError(
        f"{path}: looks like channel {channel:04d} of case {case}, which has no channel "
        f"{missing:04d}; add that file, or remove the case; if the digits number cases, "
        "end the names otherwise, or list the cases in a cohort.yaml"
    )
