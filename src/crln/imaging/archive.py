"""The research archives: h5 files with a dataset `image`, most with a dataset `label` too."""

from io import BytesIO
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from crln.errors import CrlnError
from crln.imaging.header import Header, spatial_shape

Dataset = Literal["image", "label"]


def read_header(path: Path) -> Header:
    """The grid of an archive: its shape; it knows no voxel size, so that counts as 1 mm."""
    with h5py.File(path) as file:
        dataset = _dataset(path, file, "image" if "image" in file else "label")
        return Header(spatial_shape(path, dataset.shape), np.eye(4))


def read_voxels(path: Path, name: Dataset) -> np.ndarray:
    """One dataset's voxels, (X, Y, Z)."""
    with h5py.File(path) as file:
        dataset = _dataset(path, file, name)
        spatial_shape(path, dataset.shape)
        voxels: np.ndarray = dataset[()]
    return voxels.reshape(voxels.shape[:3])


def write(target: Path, array: np.ndarray, name: Dataset) -> None:
    """Writes one dataset, compressed."""
    # By way of memory: HDF5 brings the process down when a disk fills up while it closes a file.
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset(name, data=array, compression="gzip", compression_opts=4)
    target.write_bytes(buffer.getbuffer())


def _dataset(path: Path, file: h5py.File, name: Dataset) -> h5py.Dataset:
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        remedy = (
            "name it as unlabelled in a cohort.yaml" if name == "label" else "rename its dataset"
        )
        raise CrlnError(f"{path}: holds no dataset '{name}'; {remedy}")
    return dataset
