"""Recognises how a data set lies in its folder, and reads it without opening a scan."""

import os
from collections.abc import Sequence
from pathlib import Path

from crln.cohort.case import Cohort, Slices
from crln.cohort.class_folders import (
    DRAFTS,
    class_folders,
    named_classes,
    with_class_folders,
    with_drafts,
)
from crln.cohort.description import read_description
from crln.cohort.kept import with_split
from crln.cohort.listing import assign_labels, find_labels, find_scans, pair_labels
from crln.cohort.names import Names, read_names
from crln.cohort.parts import find_lists, sort_into_parts, with_slices
from crln.errors import CrlnError
from crln.imaging import (
    group_channels,
    is_archive,
    is_clutter,
    list_folder,
    readable_names,
    scans_by_name,
)

_DESCRIPTION = "cohort.yaml"
# root / "2018LA_Seg_Training Set" / case / mri_norm2.h5
_ARCHIVE_DEPTH = 2


class UnknownLayoutError(CrlnError):
    """A folder that is no cohort; it may still hold scans."""


def load_cohort(
    path: Path,
    *,
    sparse: bool = False,
    split: Path | str | None = None,
    group: str | None = None,
    learn_test: Sequence[str] = (),
) -> Cohort:
    """Reads which scans there are, what each may be used for, and what the classes are called.

    Recognised, in this order: a `cohort.yaml`, or a folder that holds one; `imagesTr/` (Medical
    Segmentation Decathlon, nnU-Net); `images/` and `labels/`; h5 archives up to two folders deep.
    In the folder layouts a case without a label file is unlabelled, and `train.list`, `val.list`,
    `test.list` (or `eval.list`) in the folder say which case is for what. Outlines of one class
    alone lie in a folder of their own, as `labels-liver/`, masks that some tool drafted in
    `drafts/`. Only folders are listed: no scan is opened, so that ten thousand cases take seconds.
    A `split.yaml` that an earlier command left there says which cases stay test cases.

    Args:
        path: the folder, or the yaml.
        sparse: of every label only the slices that hold anything were outlined; of the others
            nobody knows anything.
        split: another split: a run folder, a file of one, or nnU-Net's `splits_final.json@K` with a
            fold; "new": none, not even that beside the data.
        group: a regular expression on ids: cases in which it finds the same are of one patient, and
            stay on one side of every split.
        learn_test: ids of test cases of the split to learn from after all; ("all",): all of them.

    Raises:
        CrlnError: the folder is missing, unreadable or of no known layout; a label has no scan; two
            files are of the same case; a list or split is at odds with the scans.

    Examples:
        >>> cohort = crln.load_cohort("data")
        >>> print(len(cohort.labelled), "with a label,", len(cohort.unlabelled), "without")
        28 with a label, 1 without
    """
    cohort = _load(Path(path))
    if sparse:
        cohort = with_slices(cohort, Slices())
    return with_split(cohort, split, group, learn_test)


def _load(path: Path) -> Cohort:
    if path.is_file():
        if path.suffix not in (".yaml", ".yml"):
            raise CrlnError(f"{path}: not a cohort; give its folder, or a {_DESCRIPTION}")
        return read_description(path)
    entries = list_folder(path)
    if described := _entry(entries, _DESCRIPTION):
        return read_description(described)
    if training := _entry(entries, "imagesTr"):
        # The test scans in imagesTs/ stay unread.
        more = _entry(entries, "imagesUn")
        folders = [training, *([more] if more else [])]
        return _load_pairs(path, "decathlon", folders, entries, "labelsTr")
    if images := _entry(entries, "images"):
        return _load_pairs(path, "folders", [images], entries, "labels")
    if archives := _find_archives(path):
        return _load_archives(path, archives)
    raise UnknownLayoutError(
        f"{path}: no known layout; put scans in images/ and labels in labels/, or write a "
        f"{_DESCRIPTION}"
    )


def _entry(entries: list[Path], name: str) -> Path | None:
    """The entry of a name, in whatever letter case; the name as it is goes first."""
    alike = [entry for entry in entries if entry.name.casefold() == name.casefold()]
    return next((entry for entry in alike if entry.name == name), next(iter(alike), None))


def _load_pairs(
    root: Path, layout: str, folders: list[Path], entries: list[Path], stem: str
) -> Cohort:
    """Folders of scans, and of labels, whose names begin with `stem`, and drafts."""
    scans = find_scans(folders)
    outlines = _entry(entries, stem)
    labels, unread = find_labels(outlines) if outlines else ({}, [])
    by_class, drafted = class_folders(entries, stem), _entry(entries, DRAFTS)
    parts = {name: find_labels(folder) for name, folder in by_class.items()}
    drafts = find_labels(drafted) if drafted else ({}, [])
    named = {*labels, *drafts[0]}.union(*(files for files, _ in parts.values()))
    images = group_channels(scans, named)
    names = read_names(root / "dataset.json")
    classes = named_classes(by_class, names.classes, outlines if labels else None)
    cases = pair_labels(images, assign_labels(images, labels, unread))
    cases = with_drafts(with_class_folders(cases, parts, classes), drafts)
    count = len(next(iter(images.values()), ()))
    cohort = Cohort(
        root, layout, channels=_channel_names(root, names, count), class_names=classes,
        ignore=names.ignore, exclusive=names.exclusive, regions=names.regions,
    )  # fmt: skip
    return sort_into_parts(cohort, cases, find_lists([root]))


def _channel_names(root: Path, names: Names, count: int) -> tuple[str, ...]:
    # One file may hold all channels.
    if names.channels and count > 1 and len(names.channels) != count:
        raise CrlnError(
            f"{root / 'dataset.json'}: names {len(names.channels)} channels, but a case has "
            f"{count} files; give one 3D file per channel, case_0000, case_0001, ..."
        )
    if names.channels:
        return names.channels
    return ("image",) if count <= 1 else tuple(f"channel {c}" for c in range(count))


def _find_archives(root: Path) -> list[Path]:
    """The h5 files at most two folders below the root."""
    found = []
    for folder, children, files in os.walk(root, followlinks=True):
        deepest = len(Path(folder).relative_to(root).parts) == _ARCHIVE_DEPTH
        children[:] = [c for c in children if not deepest and not is_clutter(Path(c))]
        found += [Path(folder, file) for file in files if is_archive(Path(file))]
    return readable_names(sorted(found))


def _load_archives(root: Path, archives: list[Path]) -> Cohort:
    """Layout (c): h5 archives, each with its scan and its label."""
    scans = scans_by_name(archives)
    images = {id: (path,) for id, path in scans.items()}
    lists = find_lists([root, *(entry for entry in list_folder(root) if entry.is_dir())])
    return sort_into_parts(Cohort(root, "h5"), pair_labels(images, scans), lists)
