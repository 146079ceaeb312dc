"""The DICOM series that a written outline refers to: its slices' headers, patient and study."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError, bare_reason, needs
from crln.imaging.dicom.series import slice_files
from crln.imaging.format import Output

if TYPE_CHECKING:
    from pydicom import Dataset

OF_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator",
)  # fmt: skip
"""What every file of a study has, though it may be empty; anonymisers take some of it away."""

OF_NONE = "SCT:85756007"
"""Tissue: what a class is in DICOM where nobody gave its code."""


@dataclass(frozen=True)
class Structure:
    """A class as DICOM tells it.

    Attributes:
        number: from 1, in the order of the classes.
        value: in label files.
        name: for a person.
        code: of a terminology: scheme and value.
    """

    number: int
    value: int
    name: str
    code: tuple[str, str]


def structures(output: Output) -> list[Structure]:
    """The classes of a mask, but the background.

    Raises:
        CrlnError: a code is none.
    """
    labels = output.labels
    if labels is None:
        values = [int(v) for v in np.unique(output.array) if v]
        return [Structure(k, v, f"class {v}", _code(OF_NONE)) for k, v in enumerate(values, 1)]
    codes = labels.codes or ("",) * labels.classes
    given = zip(labels.values[1:], labels.names[1:], codes[1:], strict=True)
    return [
        Structure(k, value, name, _code(code or OF_NONE))
        for k, (value, name, code) in enumerate(given, 1)
    ]


def _code(text: str) -> tuple[str, str]:
    scheme, _, value = text.partition(":")
    if not scheme.strip() or not value.strip() or len(scheme) > 16 or len(value) > 16:
        raise CrlnError(
            f"labels.codes: {text!r} is no code; write SCHEME:VALUE, such as SCT:10200004 of SNOMED"
        )
    return scheme.strip(), value.strip()


def source_slices(output: Output, kind: str) -> "list[Dataset]":
    """The headers of the scan's slices in the order of Z; or of its one file of many frames.

    Raises:
        CrlnError: the scan is no DICOM series; the libraries are not installed.
    """
    path = output.source
    if path is None or not (files := slice_files(path)):
        raise CrlnError(
            f"{path or 'scan'}: is no DICOM series, which a mask as {kind} refers to; give the "
            "series, or another format"
        )
    with needs("dicom", f"a mask as {kind}"):
        import pydicom
    found: list[Dataset] = [
        pydicom.dcmread(file, stop_before_pixels=True, force=True) for file in files
    ]
    for dataset in found:
        for name in OF_STUDY:
            if name not in dataset:
                setattr(dataset, name, "")
        if not dataset.get("FrameOfReferenceUID"):
            raise CrlnError(
                f"{path}: its slices name no frame of reference, which a mask as {kind} needs; "
                "give another format"
            )
    return found


@contextmanager
def writing(path: Path | None, kind: str) -> Iterator[None]:
    """Within it, whatever a library of DICOM raises is one line about the series."""
    try:
        yield
    except (CrlnError, OSError):
        raise
    except Exception as error:  # headers can be wrong in any way
        raise CrlnError(
            f"{path}: cannot be told in {kind} ({bare_reason(error)}); export the series with its "
            "whole headers, or give another format"
        ) from error
