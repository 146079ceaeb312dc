"""Scans of known voxels and geometry, in every format."""

from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from crln.imaging import telling

# Turned by 30 degrees about z, one axis flipped, voxels of 0.5 x 1 x 2 mm.
_AFFINE = np.array(
    [
        [-0.5 * np.cos(0.5), -np.sin(0.5), 0, 10],
        [-0.5 * np.sin(0.5), np.cos(0.5), 0, -20],
        [0, 0, 2, 30],
        [0, 0, 0, 1],
    ]
)


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_told", set())


@pytest.fixture
def voxels() -> np.ndarray:
    """(X, Y, Z) int16, every voxel different."""
    return np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)


@pytest.fixture
def affine() -> np.ndarray:
    """That of every scan saved without another."""
    return _AFFINE.copy()


@pytest.fixture
def save() -> Callable[..., Path]:
    """save(path, voxels, affine=...) -> path, without the code under test."""
    return _save


def _save(path: Path, array: np.ndarray, affine: np.ndarray = _AFFINE) -> Path:
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["image"] = array.astype(np.float32)
            file["label"] = (array % 3).astype(np.uint8)
    elif path.suffix in (".nrrd", ".mha", ".mhd", ".nhdr"):
        image = sitk.GetImageFromArray(array.T)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        lps = np.diag([-1, -1, 1])
        image.SetSpacing(spacing.tolist())
        image.SetDirection((lps @ affine[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin((lps @ affine[:3, 3]).tolist())
        sitk.WriteImage(image, str(path))
    else:
        nib.save(nib.Nifti1Image(array, affine), path)
    return path
