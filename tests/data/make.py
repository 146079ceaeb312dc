"""Makes the scans beside it: tiny, of no patient, and each with what real ones of its kind have.

Run: python tests/data/make.py. It writes the same bytes each time, so that a change shows in git.
"""

import gzip
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

HERE = Path(__file__).parent
ROOT = "1.2.826.0.1.3680043.8.498."  # pydicom's own, for instances that are of no machine


def draw(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipsoid with a brighter core in noise, and which voxel is in which of them."""
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    far = sum(((axis - 0.2) / size) ** 2 for axis, size in zip(axes, (0.7, 0.5, 0.6), strict=True))
    label = (far < 1).astype(np.uint8) + (far < 0.3)
    noise = np.random.default_rng(0).integers(-20, 20, shape)
    return (100 + 200 * label + noise).astype(np.int16), label


def oblique_affine() -> np.ndarray:
    """Voxels of 0.9 x 0.8 x 3 mm, turned about two axes, the first one flipped."""
    cos, sin = np.cos([0.3, 0.2]), np.sin([0.3, 0.2])
    about_z = np.array([[cos[0], -sin[0], 0], [sin[0], cos[0], 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cos[1], -sin[1]], [0, sin[1], cos[1]]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([-0.9, 0.8, 3.0])
    affine[:3, 3] = 11, -23, 47
    return affine


def make_nifti() -> None:
    """`images/oblique.nii.gz` and its label: scaled integers, qform and sform both set."""
    image, label = draw((20, 24, 10))
    for folder, array in (("images", image), ("labels", label)):
        nifti = nib.Nifti1Image(array, oblique_affine())
        nifti.set_qform(oblique_affine(), code=1)
        nifti.set_sform(oblique_affine(), code=1)
        nifti.header.set_xyzt_units("mm")
        if folder == "images":
            nifti.header.set_slope_inter(0.5, -50)
        target = HERE / folder / "oblique.nii.gz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(gzip.compress(nifti.to_bytes(), mtime=0))


def make_series() -> None:
    """`series/`: eight oblique CT slices, whose names do not follow their order."""
    image, _ = draw((16, 12, 8))  # columns, rows, slices
    row, column = np.array([0.96, 0.28, 0.0]), np.array([-0.28, 0.96, 0.0])
    folder = HERE / "series"
    folder.mkdir(exist_ok=True)
    for index in range(8):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{ROOT}{index + 10}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = f"{ROOT}1"
        name = folder / f"{(index * 3) % 8 + 1}.dcm"
        slice = FileDataset(name, {}, file_meta=meta, preamble=bytes(128))
        slice.SOPClassUID, slice.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice.StudyInstanceUID, slice.SeriesInstanceUID = f"{ROOT}2", f"{ROOT}3"
        slice.FrameOfReferenceUID, slice.Modality = f"{ROOT}4", "CT"
        slice.PatientName, slice.PatientID = "Phantom", "0"
        slice.InstanceNumber = index + 1
        slice.ImageOrientationPatient = [*row, *column]
        place = np.array([-8.0, 5.0, 100.0]) + 2.5 * index * np.cross(row, column)
        slice.ImagePositionPatient = [round(float(side), 4) for side in place]
        slice.PixelSpacing, slice.SliceThickness = [0.7, 0.9], 2.5
        slice.Columns, slice.Rows = 16, 12
        slice.SamplesPerPixel, slice.PhotometricInterpretation = 1, "MONOCHROME2"
        slice.BitsAllocated = slice.BitsStored = 16
        slice.HighBit, slice.PixelRepresentation = 15, 1
        slice.RescaleSlope, slice.RescaleIntercept = 1, -1024
        slice.PixelData = image[..., index].T.tobytes()
        pydicom.dcmwrite(name, slice, enforce_file_format=True)


def make_archive() -> None:
    """`archives/heart/mri_norm2.h5`: normalised voxels and their label, without geometry."""
    image, label = draw((16, 18, 12))
    target = HERE / "archives" / "heart" / "mri_norm2.h5"
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(target, "w", track_order=False) as file:
        normal = (image - image.mean()) / image.std()
        for name, array in (("image", normal.astype(np.float32)), ("label", label > 0)):
            file.create_dataset(
                name, data=array.astype(np.float32 if name == "image" else np.uint8),
                compression="gzip", track_times=False,
            )  # fmt: skip


if __name__ == "__main__":
    make_nifti()
    make_series()
    make_archive()
