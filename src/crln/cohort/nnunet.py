"""A cohort in the layout of nnU-Net v2, so that a person can see what it makes of the same labels.

The layout is documented at
https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crln.cohort.case import Case, Cohort
from crln.cohort.names import IGNORED
from crln.cohort.naming import with_names
from crln.cohort.outline import Outline, read_outline
from crln.errors import CrlnError
from crln.files import write_text
from crln.imaging import (
    count_channels,
    read_grid,
    read_image,
    scan_suffix,
    write_mask,
    write_scalar,
)
from crln.labels import IGNORE, LabelSpace

NNUNET_NOTES = "dataset.json"
VALUES = "crln_label_values"
"""In the `dataset.json` of an exported data set: nnU-Net's class to the label files' value."""

ENDINGS = (".nii.gz", ".nrrd", ".mha")
"""Formats that nnU-Net reads and that are copied as they are."""


def export_nnunet(
    cohort: Cohort, out: Path, *, identifier: int = 500, name: str | None = None
) -> Path:
    """Writes `out`/DatasetXXX_Name: the labelled cases to learn from and the test scans to outline.

    No test or validation label is written, nor any unlabelled scan: nnU-Net has no use for them.
    Files are copied where all of them are of one format that nnU-Net reads, else written as NIfTI.
    Label values that are not 0, 1, 2, ... are mapped; `dataset.json` says how, and `crln compare
    --with` maps predictions back. What nobody outlined, or may be a class that nobody looked for,
    is nnU-Net's `ignore`.

    Args:
        cohort: split.
        out: nnU-Net's folder of raw data sets.
        identifier: XXX, 1..999; nnU-Net's own data sets have the first hundred or so.
        name: of the data set; default the cohort's folder.

    Returns:
        The data set's folder.

    Raises:
        CrlnError: the folder exists or cannot be written, the name is not one, there is no
            labelled case, or a file has a fault.

    Examples:
        >>> cohort = crln.split_cohort(crln.load_cohort("data"), labelled=2, test=1)
        >>> crln.export_nnunet(cohort, Path("raw"), name="Phantom").name
        'Dataset500_Phantom'
    """
    name = name or re.sub(r"\W+", "", Path(cohort.root).resolve().name.split(".")[0]) or "Cohort"
    if not re.fullmatch(r"\w+", name) or not 1 <= identifier <= 999:
        raise CrlnError(f"Dataset{identifier}_{name}: no data set's name; use 1 to 999 and letters")
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case to export; put outlines in labels/")
    if not cohort.exclusive:
        raise CrlnError(
            f"{cohort.root}: structures that overlap have a label file each, which nnU-Net does "
            "not know; export one of them alone, or make regions of one label file"
        )
    target = Path(out) / f"Dataset{identifier:03d}_{name}"
    if target.exists():
        raise CrlnError(f"{target}: exists; remove it, or give another --out, --name or --id")
    beside = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        for folder in ("imagesTr", "labelsTr", "imagesTs"):
            (beside / folder).mkdir(parents=True)
        _write(cohort, beside)
        beside.rename(target)
    except OSError as error:
        raise CrlnError(
            f"{target}: cannot be written ({error.strerror}); free space or give another --out"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _write(cohort: Cohort, folder: Path) -> None:
    cohort = with_names(cohort)
    values, gaps = _survey(cohort)
    labels = LabelSpace.of(values, cohort.class_names, cohort.ignore)
    kept = [*labels.values, *([] if labels.ignore is None else [labels.ignore])]
    ending = _ending(cohort)
    channels = cohort.channel_names(count_channels(cohort.labelled[0].images))
    for case in cohort.labelled:
        assert case.label is not None
        _write_scan(case, folder / "imagesTr", ending)
        target = folder / "labelsTr" / f"{case.id}{ending}"
        as_it_is = kept == list(range(len(kept))) and not case.label.limits
        as_it_is &= scan_suffix(case.label.path) == ending
        if as_it_is and read_grid(case.label.path).same_axes(read_grid(case.images[0])):
            shutil.copyfile(case.label.path, target)
        else:
            write_mask(target, _classes(case, cohort, labels), case.images[0])
    for case in cohort.test:
        _write_scan(case, folder / "imagesTs", ending)
    names: dict[str, int | list[int]] = {"background": 0}
    names |= {name: k for k, name in enumerate(labels.names[1:], 1)}
    order = _order(cohort.regions)
    if order:
        names = {"background": 0}
        names |= {name: [labels.values.index(v) for v in cohort.regions[name]] for name in order}
    if labels.ignore is not None or gaps:
        names[IGNORED] = labels.classes
    notes: dict[str, object] = {
        "channel_names": {str(i): channel for i, channel in enumerate(channels)},
        "labels": names,
        "numTraining": len(cohort.labelled),
        "file_ending": ending,
        VALUES: {str(k): value for k, value in enumerate(labels.values)},
    }
    if order:
        notes["regions_class_order"] = [labels.values.index(value) for value in order.values()]
    write_text(folder / NNUNET_NOTES, json.dumps(notes, indent=1) + "\n")


def _order(regions: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The regions, larger ones first, with the value that nnU-Net writes over those before.

    That is one that lies in no later region, where there is one.
    """
    names = sorted(regions, key=lambda name: -len(regions[name]))
    later: set[int] = set()
    order: dict[str, int] = {}
    for name in reversed(names):
        own = [value for value in regions[name] if value not in later]
        order[name] = (own or regions[name])[0]
        later |= set(regions[name])
    return {name: order[name] for name in names}


def _survey(cohort: Cohort) -> tuple[list[int], bool]:
    """What the labels to learn from hold and the cohort names, and whether they leave voxels open.

    Background comes first.
    """
    named = {value for region in cohort.regions.values() for value in region}
    values, gaps = {0, *named, *cohort.class_names}, False
    for case in cohort.labelled:
        assert case.label is not None
        outline = _read(case, cohort)
        values |= set(np.unique(outline.values).tolist())
        gaps |= outline.known is not None or case.label.classes is not None
    values.discard(cohort.ignore)  # type: ignore[arg-type]
    return sorted(values, key=lambda value: (value != 0, value)), gaps


def _classes(case: Case, cohort: Cohort, labels: LabelSpace) -> np.ndarray:
    """A label as nnU-Net's classes: what nobody knows is one more than the last class.

    So is what is none of the classes that were looked for, where that were not all.
    """
    assert case.label is not None
    outline = _read(case, cohort)
    classes = labels.encode(outline.values, case.label.path).astype(np.int32)
    nobody = classes == IGNORE
    if outline.known is not None:
        nobody |= ~outline.known
    if case.label.classes is not None and set(labels.values[1:]).difference(case.label.classes):
        nobody |= classes == 0
    return np.where(nobody, labels.classes, classes)


def _read(case: Case, cohort: Cohort) -> Outline:
    """The label of a labelled case."""
    assert case.label is not None
    return read_outline(case.label, read_grid(case.images[0]), cohort.named, cohort.ignore)


def _ending(cohort: Cohort) -> str:
    """The one ending of all scans, if nnU-Net reads it; else NIfTI's."""
    endings = {scan_suffix(path) for case in _written(cohort) for path in case.images}
    (ending, *others) = endings
    return ending if ending in ENDINGS and not others else ENDINGS[0]


def _written(cohort: Cohort) -> Sequence[Case]:
    return cohort.labelled + cohort.test


def _write_scan(case: Case, folder: Path, ending: str) -> None:
    """A file per channel."""
    if not read_grid(case.images[0]).straight:
        raise CrlnError(
            f"{case.images[0]}: its axes are not perpendicular, and nnU-Net's reader does not open "
            "such files; resample it"
        )
    alike = all(scan_suffix(path) == ending for path in case.images)
    if alike and count_channels(case.images) == len(case.images):
        for channel, path in enumerate(case.images):
            shutil.copyfile(path, folder / f"{case.id}_{channel:04d}{ending}")
        return
    for channel, array in enumerate(read_image(case.images).array):
        write_scalar(folder / f"{case.id}_{channel:04d}{ending}", array, case.images[0])
