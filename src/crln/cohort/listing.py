"""Scans with their labels, and lists of case ids."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from crln.cohort.case import Case, Label
from crln.errors import CrlnError
from crln.files import read_text
from crln.imaging import scan_stem


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
