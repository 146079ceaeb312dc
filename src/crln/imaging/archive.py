"""The research archives: h5 files with a dataset `image`, most with a dataset `label` too."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.errors import CrlnError
from crln.imaging.faults import check_room
from crln.imaging.format import Content, Format, Output
from crln.imaging.grid import Grid, spatial_shape

if TYPE_CHECKING:
    import h5py

# These files are named after what was done to them, not after the case alone.
_LA = "mri_norm2"
_PANCREAS_ENDING = "_norm"


class Archive(Format):
    """An h5 file; it knows the voxels' order alone, not their size and place."""

    name = "h5"
    suffixes = (".h5",)
    archive = True

    def case(self, path: Path) -> str:
        """That of "case_norm.h5" (Pancreas) and of "case/mri_norm2.h5" (LA) is "case"."""
        stem = super().case(path)
        return path.parent.name if stem == _LA else stem.removesuffix(_PANCREAS_ENDING)

    def grid(self, path: Path) -> Grid:
        """Of the image, or the label where there is none."""
        import h5py

        with h5py.File(path) as file:
            dataset = _dataset(path, file, "image" if "image" in file else "label")
            shape = spatial_shape(path, dataset.shape)
            check_room(path, shape, dataset.id.get_storage_size())
            return Grid(shape)

    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """One dataset."""
        import h5py

        with h5py.File(path) as file:
            dataset = _dataset(path, file, content)
            check_room(path, spatial_shape(path, dataset.shape), dataset.id.get_storage_size())
            voxels: np.ndarray = dataset[()]
        return voxels.reshape(voxels.shape[:3])

    def write(self, target: Path, output: Output) -> None:
        """Writes one dataset."""
        import h5py

        # By way of memory: HDF5 brings the process down when a disk fills up while it closes a
        # file.
        buffer = BytesIO()
        with h5py.File(buffer, "w") as file:
            file.create_dataset(
                output.content, data=output.array, compression="gzip", compression_opts=4
            )
        target.write_bytes(buffer.getbuffer())


def _dataset(path: Path, file: "h5py.File", name: Content) -> "h5py.Dataset":
    import h5py

    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        remedy = (
            "name it as unlabelled in a cohort.yaml" if name == "label" else "rename its dataset"
        )
        raise CrlnError(f"{path}: holds no dataset '{name}'; {remedy}")
    return dataset
