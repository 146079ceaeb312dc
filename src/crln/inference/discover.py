"""Which scans a person means by the files and folders they name."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crln.cohort import NEW, Case, load_cohort, tell_unread
from crln.cohort.layouts import UnknownLayoutError
from crln.errors import CrlnError
from crln.files import file_number
from crln.imaging import (
    KNOWN,
    SeriesFound,
    find_series,
    group_channels,
    is_dicom_file,
    is_outline,
    is_scan,
    list_folder,
    scans_by_name,
    series_at,
)

_log = logging.getLogger("crln")

_CLASH = "its mask would have the name of {}'s; rename one, or predict them into two folders"


def discover_inputs(inputs: Sequence[Path | str], channels: int = 1) -> list[Case]:
    """The cases to outline, in the order given, those of a folder by name.

    Args:
        inputs: scans (several channels as `<case>_0000`, `<case>_0001`, ...), folders of scans,
            folders of DICOM slices, a slice, which stands for its series, trees of folders with
            series, cohort folders of any layout, or a cohort.yaml.
        channels: files per case.

    Returns:
        Cases without labels.

    Raises:
        CrlnError: an input does not exist or holds no scan, a case lacks a channel, or two cases
            have one id.
    """
    return [Case(case.id, case.images) for case in find_cases(inputs, channels)]


def find_cases(inputs: Sequence[Path | str], channels: int = 1) -> list[Case]:
    """As `discover_inputs`; the cases of a cohort with their labels, which nobody may open."""
    cases: list[Case] = []
    loose: list[Path] = []
    series: dict[Path, SeriesFound] = {}
    for path in map(Path, inputs):
        if not path.exists():
            raise CrlnError(f"{path}: no such file or folder; check the path")
        if _is_slice(path):
            # Of a series whose slices are named one by one, the first tells.
            if path.parent not in {found.path for found in series.values()}:
                found = series_at(path)
                series[found.path] = found
            continue
        scans_here = _scans_at(path)
        loose += scans_here
        if not scans_here:
            try:
                cases += load_cohort(path, split=NEW)
            except UnknownLayoutError:
                tree = find_series(path)
                if not tree:
                    raise
                series |= {found.path: found for found in tree}
    cases += _series_cases(list(series.values()))
    scans = scans_by_name(loose, _CLASH)
    grouped = group_channels(scans, channels=channels, outright=[Path(path) for path in inputs])
    cases += [Case(case, files) for case, files in grouped.items()]
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.id, case)
        if other is not case:
            raise CrlnError(f"{case.images[0]}: {_CLASH.format(other.images[0])}")
    if not cases:
        raise CrlnError(f"{', '.join(map(str, inputs))}: no scan; give scans or folders of scans")
    return cases


def _is_slice(path: Path) -> bool:
    """Whether a path is a DICOM file, of whatever name."""
    return path.is_file() and not is_scan(path) and is_dicom_file(path)


def _series_cases(series: list[SeriesFound]) -> list[Case]:
    """Cases named after their folders or files, or by UID where two have one name."""
    names = Counter(found.name for found in series)
    return [
        Case(found.name if names[found.name] == 1 else found.uid, (found.path,)) for found in series
    ]


def _scans_at(path: Path) -> list[Path]:
    """The scan that a path is, or those directly in it; none where it may be a cohort."""
    if is_scan(path):
        return [path]
    if path.is_dir():
        entries = list_folder(path)
        if found := [entry for entry in entries if is_scan(entry) and not is_outline(entry)]:
            tell_unread(entries)
        if found and (outlines := [entry.name for entry in entries if is_outline(entry)]):
            _log.warning(
                "%s: left out, since it holds outlines: %s (%d)", path, outlines[0], len(outlines)
            )
        return found
    if path.suffix not in (".yaml", ".yml"):
        raise CrlnError(f"{path}: not a known format; give {KNOWN}")
    return []


def input_files(cases: Sequence[Case]) -> dict[tuple[int, int], str]:
    """The files that no output may replace, by the system's own number of each.

    Args:
        cases: with their labels, as `find_cases` has them. Label files in folders beside those of
            the scans count too.

    Returns:
        What each file is, for a person.
    """
    kept: dict[tuple[int, int], str] = {}
    folders = {image.parent.resolve().parent for case in cases for image in case.images}
    for folder in folders:
        for beside in folder.glob("label*/"):
            kept |= dict.fromkeys(map(file_number, list_folder(beside)), "a label of the cohort")
    for case in cases:
        if case.label:
            kept |= dict.fromkeys(map(file_number, case.label.files), "a label of the cohort")
        kept |= dict.fromkeys(map(file_number, case.images), "a scan to outline")
    return kept
