"""Which scans a person means by the files and folders they name."""

from collections.abc import Sequence
from pathlib import Path

from crln.cohort import Case, load_cohort
from crln.errors import CrlnError
from crln.imaging import is_archive, is_dicom_folder, is_scan, scan_stem

CHANNEL_DIGITS = 4


def discover_inputs(inputs: Sequence[Path | str], channels: int = 1) -> list[Case]:
    """The cases to outline, in the order given, those of a folder by name.

    Args:
        inputs: scans (several channels as `<case>_0000`, `<case>_0001`, ...), folders of scans,
            folders of DICOM slices, cohort folders of any layout, or a cohort.yaml.
        channels: files per case.

    Returns:
        Cases without labels.

    Raises:
        CrlnError: an input does not exist or holds no scan, or two cases have one id.
    """
    cases: list[Case] = []
    loose: list[Path] = []
    for path in map(Path, inputs):
        found = _scans_at(path)
        loose += found
        if not found:
            cases += [Case(case.id, case.images) for case in load_cohort(path)]
    cases += _grouped(loose, channels)
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.id, case)
        if other is not case:
            raise CrlnError(
                f"{case.images[0]}: its mask would have the name of {other.images[0]}'s; "
                "rename one, or predict them into two folders"
            )
    if not cases:
        raise CrlnError(f"{', '.join(map(str, inputs))}: no scan; give scans or folders of scans")
    return cases


def _scans_at(path: Path) -> list[Path]:
    """The scan that a path is, or those directly in it; none where it may be a cohort."""
    if not path.exists():
        raise CrlnError(f"{path}: no such file or folder; check the path")
    if _is_one(path):
        return [path]
    if path.is_dir():
        try:
            return sorted(entry for entry in path.iterdir() if _is_one(entry))
        except OSError as error:
            raise CrlnError(
                f"{path}: cannot be read ({error.strerror}); check its permissions"
            ) from error
    if path.suffix not in (".yaml", ".yml"):
        raise CrlnError(f"{path}: not a known format; give NIfTI, NRRD, MetaImage, h5 or DICOM")
    return []


def _is_one(path: Path) -> bool:
    return is_dicom_folder(path) if path.is_dir() else is_scan(path)


def _grouped(paths: Sequence[Path], channels: int) -> list[Case]:
    """Cases from files, those named `_0000` to `_<channels - 1>` as channels of one.

    Where another scan has the same name but a higher number, the digits number cases: its name
    stays whole, as theirs do.
    """
    highest: dict[str, int] = {}
    for head, number in filter(None, map(_numbered, paths)):
        highest[head] = max(number, highest.get(head, 0))
    groups: dict[str, list[tuple[int, Path]]] = {}
    for path in paths:
        numbered = _numbered(path)
        is_channel = numbered and highest[numbered[0]] < channels
        case, channel = numbered if numbered and is_channel else (scan_stem(path), 0)
        files = groups.setdefault(case, [])
        if path in (other for _, other in files):
            continue  # named twice: alone and with its folder
        for number, other in files:
            if number == channel:
                raise CrlnError(
                    f"{path}: its mask would have the name of {other}'s; rename one, or predict "
                    "them into two folders"
                )
        files.append((channel, path))
    return [Case(case, tuple(p for _, p in sorted(files))) for case, files in groups.items()]


def _numbered(path: Path) -> tuple[str, int] | None:
    """What `<case>_0001` may be: a case and a channel."""
    head, _, tail = scan_stem(path).rpartition("_")
    if not head or len(tail) != CHANNEL_DIGITS or not tail.isdigit() or is_archive(path):
        return None
    return head, int(tail)
