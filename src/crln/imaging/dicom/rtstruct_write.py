"""A mask as RTSTRUCT: a structure a class, a contour around each of its parts in each slice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln._version import __version__
from crln.errors import needs
from crln.imaging.dicom.rtstruct import CONTOUR_DATA
from crln.imaging.dicom.source import (
    OF_NONE,
    OF_STUDY,
    Structure,
    source_slices,
    structures,
    writing,
)
from crln.imaging.format import Output
from crln.imaging.itk import LPS_TO_RAS

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement

KIND = "RTSTRUCT"
_SERIES = 2000
_COLOURS = ((230, 60, 60), (60, 180, 75), (70, 110, 230), (245, 190, 30), (150, 60, 190))


def write(target: Path, output: Output) -> None:
    """Writes contours that pass half way between the voxels inside and those outside.

    Holes are contours of their own within the outer one. Study, patient and frame of reference are
    the scan's.

    Raises:
        CrlnError: the scan is no DICOM series, or its headers lack what RTSTRUCT must tell.
    """
    slices = source_slices(output, KIND)
    found = structures(output)
    with needs("dicom", f"a mask as {KIND}"):
        import skimage  # noqa: F401
    with writing(output.source, KIND):
        dataset = _head(slices)
        if all(structure.value > 0 for structure in found):
            found = [replace(structure, number=structure.value) for structure in found]
        dataset.StructureSetROISequence = [_roi(each, slices[0]) for each in found]
        dataset.ROIContourSequence = [_drawn(each, output, slices) for each in found]
        dataset.RTROIObservationsSequence = [_observation(each) for each in found]
        dataset.save_as(target, enforce_file_format=True)


def _head(slices: "list[Dataset]") -> "Dataset":
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian  # long contours need its lengths
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    first, now = slices[0], datetime.now()
    for name in (*OF_STUDY, "StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(dataset, name, first.get(name))
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", generate_uid()
    dataset.SeriesNumber = _SERIES + int(first.get("SeriesNumber") or 0)
    dataset.InstanceNumber, dataset.OperatorsName = 1, ""
    dataset.SeriesDescription = "CRLN contours"
    dataset.Manufacturer, dataset.ManufacturerModelName = "CRLN", "crln"
    dataset.SoftwareVersions = __version__
    dataset.StructureSetLabel = "CRLN"
    dataset.StructureSetDate = dataset.InstanceCreationDate = now.strftime("%Y%m%d")
    dataset.StructureSetTime = dataset.InstanceCreationTime = now.strftime("%H%M%S")
    dataset.ReferencedFrameOfReferenceSequence = [_references(slices)]
    return dataset


def _references(slices: "list[Dataset]") -> "Dataset":
    """The frame of reference, with the series in it and all its slices."""
    first = slices[0]
    series = _item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ContourImageSequence=[_reference(each) for each in slices],
    )
    study = _item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",  # a study, as planning systems write it
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _reference(dataset: "Dataset") -> "Dataset":
    return _item(
        ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID
    )


def _roi(structure: Structure, first: "Dataset") -> "Dataset":
    return _item(
        ROINumber=structure.number,
        ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID,
        ROIName=structure.name[:64],
        ROIGenerationAlgorithm="AUTOMATIC",
    )


def _observation(structure: Structure) -> "Dataset":
    scheme, value = structure.code
    item = _item(
        ObservationNumber=structure.number, ReferencedROINumber=structure.number,
        RTROIInterpretedType="ORGAN", ROIInterpreter="",
    )  # fmt: skip
    if f"{scheme}:{value}" != OF_NONE:
        item.RTROIIdentificationCodeSequence = [
            _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=structure.name[:64])
        ]
    return item


def _drawn(structure: Structure, output: Output, slices: "list[Dataset]") -> "Dataset":
    """All contours of a structure; each names its slice, where slices are those of the grid."""
    matched = len(slices) == output.grid.shape[2]
    contours = []
    for z, points in _contours(output.array == structure.value):
        world = points @ output.grid.to_world[:3, :3].T + output.grid.to_world[:3, 3]
        contour = _item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points))
        contour[CONTOUR_DATA] = _numbers((world @ LPS_TO_RAS).ravel())
        if matched:
            contour.ContourImageSequence = [_reference(slices[z])]
        contours.append(contour)
    colour = _COLOURS[(structure.number - 1) % len(_COLOURS)]
    item = _item(ROIDisplayColor=list(colour), ReferencedROINumber=structure.number)
    if contours:
        item.ContourSequence = contours
    return item


def _contours(mask: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each contour of a mask (X, Y, Z): its slice and its points (n, 3), in voxels."""
    from skimage.measure import find_contours

    for z in np.flatnonzero(mask.any((0, 1))):
        padded = np.pad(mask[:, :, z], 1).astype(np.float32)
        for contour in find_contours(padded, 0.5):
            corners = _corners(contour[:-1]) - 1  # the last point is the first
            yield int(z), np.insert(corners, 2, float(z), axis=1)


def _corners(points: np.ndarray) -> np.ndarray:
    """The points (n, 2) of a closed line at which its direction changes."""
    ahead = np.roll(points, -1, axis=0) - points
    behind = np.roll(ahead, 1, axis=0)
    corners: np.ndarray = points[ahead[:, 0] * behind[:, 1] != ahead[:, 1] * behind[:, 0]]
    return corners


def _numbers(values: np.ndarray) -> "RawDataElement":
    """Contour data as the bytes of a file: pydicom checks each number, of which there are many."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    text = "\\".join(f"{value:.3f}" for value in values).encode()
    text += b" " * (len(text) % 2)
    return RawDataElement(Tag(CONTOUR_DATA), "DS", len(text), text, 0, True, True)


def _item(**values: object) -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item
