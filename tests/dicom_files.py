"""DICOM files of our own making, written by pydicom and by highdicom alone; no patient is in them.

A fixture of tests/conftest.py, `dicom`, hands this module to tests.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)
from scipy.spatial.transform import Rotation

LPS = np.diag([-1.0, -1.0, 1.0])
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def oblique(spacing: tuple[float, float, float] = (0.6, 0.8, 5.0)) -> np.ndarray:
    """An affine that counts in RAS, turned about all three axes."""
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", (20, -15, 25), degrees=True).as_matrix()
    affine[:3, :3] = turned @ np.diag([-1, -1, 1]) * spacing
    affine[:3, 3] = 12.3456, -45.6789, 78.9123
    return affine


def save_series(
    folder: Path, voxels: np.ndarray, affine: np.ndarray, *, uid: str | None = None,
    name: str = "{}.dcm", sop: str = MRImageStorage,
    change: Callable[[FileDataset, int], None] | None = None,
) -> list[Path]:  # fmt: skip
    """int16 (X, Y, Z) as a file per slice along Z; `change` is given each before it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    study, frame = generate_uid(), generate_uid()
    uid = uid or generate_uid()
    matrix, origin = LPS @ affine[:3, :3], LPS @ affine[:3, 3]
    spacing = np.linalg.norm(matrix, axis=0)
    files = []
    for k in range(voxels.shape[2]):
        made = _slices(voxels.shape[:2], sop, uid)
        made.StudyInstanceUID, made.InstanceNumber = study, k + 1
        made.FrameOfReferenceUID, made.PositionReferenceIndicator = frame, ""
        made.ImageOrientationPatient = [f"{v:.10f}" for v in (matrix / spacing)[:, :2].T.ravel()]
        made.ImagePositionPatient = [f"{v:.10g}" for v in origin + k * matrix[:, 2]]
        made.PixelSpacing = [f"{spacing[1]:.9g}", f"{spacing[0]:.9g}"]
        made.SliceThickness = f"{spacing[2]:.9g}"
        made.PixelData = np.ascontiguousarray(voxels[..., k].T).tobytes()
        if change:
            change(made, k)
        files.append(folder / name.format(k))
        made.save_as(files[-1], enforce_file_format=True)
    return files


def write_series(folder: Path, array: np.ndarray, affine: np.ndarray, **tags: object) -> Path:
    """A series in a folder of its own, with more tags in every slice."""

    def change(made: FileDataset, _: int) -> None:
        for name, value in tags.items():
            setattr(made, name, value)

    save_series(folder, array, affine, name="{:03d}.dcm", change=change)
    return folder


def save_enhanced(
    file: Path, voxels: np.ndarray, affine: np.ndarray, *, order: list[int] | None = None,
    rescale: list[tuple[float, float]] | None = None, places: bool = True,
) -> Path:  # fmt: skip
    """One file of all slices, in the order given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    matrix, origin = LPS @ affine[:3, :3], LPS @ affine[:3, 3]
    spacing = np.linalg.norm(matrix, axis=0)
    made = _slices(voxels.shape[:2], ENHANCED_MR, generate_uid())
    order = order or list(range(voxels.shape[2]))
    made.NumberOfFrames = len(order)
    plane, measures, shared = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = (matrix / spacing)[:, :2].T.ravel().tolist()
    measures.PixelSpacing = [spacing[1], spacing[0]]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    frames = []
    for k in order:
        frame, position, values = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = (origin + k * matrix[:, 2]).tolist()
        frame.PlanePositionSequence = [position]
        if rescale:
            values.RescaleSlope, values.RescaleIntercept = map(str, rescale[k])
            frame.PixelValueTransformationSequence = [values]
        frames.append(frame)
    if places:
        made.SharedFunctionalGroupsSequence = [shared]
        made.PerFrameFunctionalGroupsSequence = frames
    made.PixelData = np.ascontiguousarray(voxels[..., order].transpose(2, 1, 0)).tobytes()
    made.save_as(file, enforce_file_format=True)
    return file


def edit(file: Path, *gone: str, **tags: object) -> None:
    """Takes tags of a file away, and sets others."""
    dataset = pydicom.dcmread(file)
    for tag in gone:
        delattr(dataset, tag)
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    dataset.save_as(file)


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


def check_valid(path: Path) -> None:
    """Fails where dciodvfy, of Debian's dicom3tools, finds an error."""
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("no dciodvfy to check with: apt-get install dicom3tools")
    done = subprocess.run([checker, path], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if "Error" in line]
    assert done.returncode == 0


def _slices(shape: tuple[int, int], sop: str, uid: str) -> FileDataset:
    """A file of int16 without voxels or place."""
    made = _new(sop, ExplicitVRLittleEndian)
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), uid
    made.Modality, made.SeriesNumber, made.InstanceNumber = "MR", 1, 1
    made.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    made.Columns, made.Rows = shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 1
    return made


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
