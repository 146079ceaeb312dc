"""DICOM files of our own making, written by pydicom and by highdicom alone; no patient is in them.

A fixture of tests/conftest.py, `dicom`, hands this module to tests.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

LPS = np.diag([-1.0, -1.0, 1.0])


def write_series(folder: Path, array: np.ndarray, affine: np.ndarray, **tags: object) -> Path:
    """int16 (X, Y, Z) as an MR series of slices along Z; `affine` counts in RAS."""
    folder.mkdir(parents=True)
    series, study, frame = (generate_uid() for _ in range(3))
    matrix, origin = LPS @ affine[:3, :3], LPS @ affine[:3, 3]
    spacing = np.linalg.norm(matrix, axis=0)
    for k in range(array.shape[2]):
        dataset = _new(MRImageStorage, ExplicitVRLittleEndian)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame, ""
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 1, k + 1
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        dataset.ImagePositionPatient = [f"{v:.9g}" for v in origin + k * matrix[:, 2]]
        dataset.ImageOrientationPatient = [f"{v:.9g}" for v in (matrix / spacing)[:, :2].T.ravel()]
        dataset.PixelSpacing = [f"{spacing[1]:.9g}", f"{spacing[0]:.9g}"]
        dataset.SliceThickness = f"{spacing[2]:.9g}"
        dataset.Columns, dataset.Rows = array.shape[:2]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.PixelData = np.ascontiguousarray(array[:, :, k].T).tobytes()
        for name, value in tags.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


def slices(folder: Path) -> list[Dataset]:
    """Of a series that `write_series` wrote, in order."""
    return [pydicom.dcmread(file) for file in sorted(folder.glob("[0-9]*.dcm"))]


def write_seg(
    path: Path, series: Path, masks: Mapping[str, np.ndarray], kind: str = "BINARY", **more: object
) -> Path:
    """Masks (X, Y, Z) of one series as a SEG, by highdicom; empty slices have no frame."""
    import highdicom  # which takes a second
    from pydicom.sr.codedict import codes

    stacked = np.stack([mask.transpose(2, 1, 0) for mask in masks.values()], -1)
    described = [
        highdicom.seg.SegmentDescription(
            number, name, codes.SCT.Tissue, codes.SCT.Tissue,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(masks, 1)
    ]  # fmt: skip
    seg = highdicom.seg.Segmentation(
        slices(series), stacked, kind, described,
        generate_uid(), 7, generate_uid(), 1, "made", "up", "1", "0", **more,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    seg.save_as(path)
    return path


def write_rtstruct(
    path: Path, structures: Mapping[str, Sequence[np.ndarray]], kind: str = "CLOSED_PLANAR"
) -> Path:
    """Contours, each (n, 3) in millimetres of RAS, as an RTSTRUCT by hand."""
    dataset = _new(RTStructureSetStorage, ImplicitVRLittleEndian)
    dataset.Modality, dataset.StructureSetLabel = "RTSTRUCT", "made"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(structures.items(), 1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
            contour.ContourData = [f"{v:.5f}" for v in (points @ LPS).ravel()]
            drawn.ContourSequence.append(contour)
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _new(kind: str, syntax: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Made^Up", "0"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20200101", "000000", "1"
    dataset.AccessionNumber = ""
    return dataset
