"""A mask as DICOM SEG, by highdicom: one segment a class, on the slices of its series."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crln._version import __version__
from crln.errors import needs
from crln.imaging.dicom.seg import VALUE_NOTE
from crln.imaging.dicom.source import OF_NONE, Structure, source_slices, structures, writing
from crln.imaging.format import Output
from crln.imaging.itk import LPS_TO_RAS

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom import DataElement, Dataset

KIND = "DICOM SEG"
_ANATOMY = "SCT:123037004", "Anatomical Structure"
_TISSUE = OF_NONE, "Tissue"
_PEOPLE = ("PatientName", "ReferringPhysicianName")
_LONGEST_NUMBER = 16
_SERIES = 1000
"""Added to the number of the scan's series, so that a viewer lists the segmentation behind it."""


def write(target: Path, output: Output) -> None:
    """Writes a mask, binary, without frames for slices where a class is not.

    Study, patient and frame of reference are the scan's. Where a segment's number is not the value
    in label files, its description says the value.

    Raises:
        CrlnError: the scan is no DICOM series, or its headers lack what DICOM SEG must tell.
    """
    slices = source_slices(output, KIND)
    found = structures(output)
    with needs("dicom", f"a mask as {KIND}"):
        from highdicom.seg import Segmentation
        from pydicom.uid import generate_uid
    with writing(output.source, KIND):
        # highdicom refuses names of one word, such as an anonymiser's; they are those of the scan.
        people = {name: slices[0].get(name) for name in _PEOPLE}
        for name in _PEOPLE:
            setattr(slices[0], name, "")
        segmentation = Segmentation(
            slices, _pixels(output, found, slices), "BINARY",
            [_describe(structure) for structure in found],
            generate_uid(), _SERIES + int(slices[0].get("SeriesNumber") or 0), generate_uid(), 1,
            "CRLN", "crln", __version__, "0",
            series_description="CRLN segmentation", content_label="SEGMENTATION",
            content_description="outlined by a trained model",
        )  # fmt: skip
        for name, value in people.items():
            setattr(segmentation, name, value)
        (shared,) = segmentation.SharedFunctionalGroupsSequence
        for measures in shared.get("PixelMeasuresSequence", ()):
            if measures.get("SliceThickness") is None:
                measures.SliceThickness = f"{output.grid.spacing[2]:.8g}"
        # The scan's, which highdicom copies, may lack the letters of a class's name.
        segmentation.SpecificCharacterSet = "ISO_IR 192"
        segmentation.walk(_shorten)
        segmentation.save_as(target)


def _shorten(_: "Dataset", element: "DataElement") -> None:
    """Numbers of more letters than DICOM allows, as some scanners write and highdicom copies."""
    from pydicom.valuerep import DSfloat

    if element.VR == "DS" and element.value is not None:
        several = isinstance(element.value, Sequence) and not isinstance(element.value, str)
        values = list(element.value) if several else [element.value]
        if any(len(str(value)) > _LONGEST_NUMBER for value in values):
            short = [DSfloat(float(value), auto_format=True) for value in values]
            element.value = short if several else short[0]


def _pixels(output: Output, found: list[Structure], slices: "list[Dataset]") -> Any:
    """Segment numbers (frames, rows, columns); with their place where a file holds many slices."""
    numbers = np.zeros(output.array.shape[::-1], np.min_scalar_type(max(1, len(found))))
    for structure in found:
        numbers[structure.value == output.array.T] = structure.number
    if len(slices) == len(numbers):
        return numbers
    from highdicom import Volume

    affine = np.diag([*np.diag(LPS_TO_RAS), 1.0]) @ output.grid.to_world
    return Volume(
        numbers, affine[:, [2, 1, 0, 3]], "PATIENT",
        frame_of_reference_uid=slices[0].FrameOfReferenceUID,
    )  # fmt: skip


def _describe(structure: Structure) -> "SegmentDescription":
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    def concept(code: str, meaning: str) -> CodedConcept:
        scheme, _, value = code.partition(":")
        return CodedConcept(value, scheme, meaning[:64])

    code = ":".join(structure.code)
    unknown = code == OF_NONE
    described = SegmentDescription(
        structure.number, structure.name[:64],
        concept(*(_TISSUE if unknown else _ANATOMY)),
        concept(*_TISSUE) if unknown else concept(code, structure.name),
        "AUTOMATIC",
        AlgorithmIdentificationSequence("CRLN", codes.DCM.ArtificialIntelligence, __version__),
    )  # fmt: skip
    if structure.value != structure.number:
        described.SegmentDescription = VALUE_NOTE.format(structure.value)
    return described
