"""Where the masks of structures lie that have a file each."""

import re
from pathlib import Path

from crln.labels import LabelSpace


def mask_files(path: Path, labels: LabelSpace) -> dict[int, Path]:
    """The files of a mask: its own, or of structures that overlap one each in a folder of its name.

    Args:
        path: of the mask, such as `masks/a.nii.gz`.
        labels: its classes.

    Returns:
        Class to file, `{1: masks/liver/a.nii.gz, 2: masks/tumour/a.nii.gz}`; of all else {0: path}.
    """
    if not labels.separate:
        return {0: path}
    return {
        k: path.parent / folder_name(name) / path.name for k, name in enumerate(labels.names[1:], 1)
    }


def written_labels(labels: LabelSpace, k: int = 0) -> LabelSpace:
    """What a mask file of these classes says: its values and what each is called.

    A value of regions is called after all that it lies in, such as "whole + core".

    Args:
        labels: the classes.
        k: of structures that have a file each, which one the file is of.
    """
    if labels.separate:
        codes = (labels.codes[0], labels.codes[k]) if labels.codes else ()
        return LabelSpace((0, 1), (labels.names[0], labels.names[k]), codes=codes)
    if not labels.members:
        return labels
    held = {
        value: [name for bit, name in enumerate(labels.names[1:]) if combination >> bit & 1]
        for combination, value in labels.possible.items()
    }
    names = {value: " + ".join(of) for value, of in held.items() if of}
    return LabelSpace.of(list(held), names, labels.ignore)


def folder_name(structure: str) -> str:
    """A structure's name without what no folder's name may hold."""
    return re.sub(r'[<>:"/\\\\|?*\x00-\x1f]', "_", structure).strip(". ") or "_"
