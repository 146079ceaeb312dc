"""DICOM of known voxels and geometry, written by pydicom alone."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

LPS = np.diag([-1.0, -1.0, 1.0])
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def oblique(spacing: tuple[float, float, float] = (0.6, 0.8, 5.0)) -> np.ndarray:
    """RAS, turned about all three axes."""
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", (20, -15, 25), degrees=True).as_matrix()
    affine[:3, :3] = turned @ np.diag([-1, -1, 1]) * spacing
    affine[:3, 3] = 12.3456, -45.6789, 78.9123
    return affine


def start(shape: tuple[int, int], sop: str, uid: str, number: int) -> FileDataset:
    """A file without voxels or place."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.SOPInstanceUID = sop, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), uid
    made.PatientName, made.PatientID, made.Modality = "Phantom", "0", "MR"
    made.InstanceNumber = number
    made.Columns, made.Rows = shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 1
    return made


def save_series(
    folder: Path, voxels: np.ndarray, affine: np.ndarray, *, uid: str | None = None,
    name: str = "{}.dcm", sop: str = MRImageStorage,
    change: Callable[[FileDataset, int], None] | None = None,
) -> list[Path]:  # fmt: skip
    """A file per slice along Z; `change` is given each before it is written."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    matrix, origin = LPS @ affine[:3, :3], LPS @ affine[:3, 3]
    spacing = np.linalg.norm(matrix, axis=0)
    files = []
    for k in range(voxels.shape[2]):
        made = start(voxels.shape[:2], sop, uid, k + 1)
        made.ImageOrientationPatient = [f"{v:.10f}" for v in (matrix / spacing)[:, :2].T.ravel()]
        made.ImagePositionPatient = [f"{v:.10g}" for v in origin + k * matrix[:, 2]]
        made.PixelSpacing = [f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"]
        made.PixelData = np.ascontiguousarray(voxels[..., k].T).tobytes()
        if change:
            change(made, k)
        files.append(folder / name.format(k))
        made.save_as(files[-1], enforce_file_format=True)
    return files


def save_enhanced(
    file: Path, voxels: np.ndarray, affine: np.ndarray, *, order: list[int] | None = None,
    rescale: list[tuple[float, float]] | None = None, places: bool = True,
) -> Path:  # fmt: skip
    """One file of all slices, in the order given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    matrix, origin = LPS @ affine[:3, :3], LPS @ affine[:3, 3]
    spacing = np.linalg.norm(matrix, axis=0)
    made = start(voxels.shape[:2], ENHANCED_MR, generate_uid(), 1)
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


def edit(file: Path, **tags: object) -> None:
    dataset = pydicom.dcmread(file)
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    dataset.save_as(file)


@pytest.fixture
def dicom() -> ModuleType:
    """This file, for the tests beside it."""
    return sys.modules[__name__]


@pytest.fixture
def slices() -> np.ndarray:
    """(X, Y, Z) int16, every voxel different."""
    return (np.arange(7 * 6 * 5, dtype=np.int16) - 60).reshape(7, 6, 5)
