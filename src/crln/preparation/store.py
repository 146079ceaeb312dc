"""Prepared scans on disk, compressed in chunks, so that a patch costs only its own chunks."""

import json
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from crln.cohort import Case
from crln.errors import CrlnError
from crln.labels import IGNORE
from crln.planning.plan import Triple

VOXELS_PER_CLASS = 1000
"""Foreground voxels remembered per class, to centre patches on."""

CHUNK, BLOCK = 32, 16
"""Sides of what is compressed together, and of what is decompressed alone."""

IMAGE, LABEL, FOREGROUND, NOTES = "image.b2nd", "label.b2nd", "foreground.npz", "case.json"


@dataclass(frozen=True)
class PreparedCase:
    """One case in the cache; its arrays are opened for each patch and never held.

    Attributes:
        id: the case's.
        folder: where its arrays are.
        shape: X, Y, Z after preparation.
        labelled: whether a label was prepared.
    """

    id: str
    folder: Path
    shape: Triple
    labelled: bool

    @property
    def foreground(self) -> dict[int, np.ndarray]:
        """Class -> (n, 3) voxels of it, at most `VOXELS_PER_CLASS`; empty without a label."""
        return _read_foreground(self.folder / FOREGROUND) if self.labelled else {}

    def read(self, start: Triple, size: Triple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A patch, which may reach beyond the scan.

        Args:
            start: first voxel, may be negative.
            size: X, Y, Z.

        Returns:
            Image (C, *size) float32, 0 outside the scan; label (*size) int64, IGNORE outside the
            scan and, of an unlabelled case, everywhere; (*size) bool, which voxels are in the scan.

        Raises:
            CrlnError: the cache was removed or damaged meanwhile.
        """
        source, target = [], []
        for first, length, side in zip(start, size, self.shape, strict=True):
            low = min(max(first, 0), side)
            high = max(min(first + length, side), low)
            source.append(slice(low, high))
            target.append(slice(low - first, high - first) if high > low else slice(0))
        stored = self._open(IMAGE)
        image = np.zeros((stored.shape[0], *size), np.float32)
        label = np.full(size, IGNORE, np.int64)
        inside = np.zeros(size, np.bool_)
        if all(part.stop > part.start for part in source):
            image[(slice(None), *target)] = stored[(slice(None), *source)]
            inside[tuple(target)] = True
            if self.labelled:
                label[tuple(target)] = self._open(LABEL)[tuple(source)]
        return image, label, inside

    def _open(self, name: str) -> blosc2.NDArray:
        path = self.folder / name
        try:
            # One thread: patches are cut while all cores train.
            return blosc2.open(str(path), mode="r", dparams={"nthreads": 1})
        except (OSError, RuntimeError) as error:
            raise CrlnError(
                f"{path}: the cache cannot be read; start again to rebuild it"
            ) from error


@lru_cache(maxsize=256)
def _read_foreground(path: Path) -> dict[int, np.ndarray]:
    with np.load(path) as archive:
        return {int(k): archive[k] for k in archive.files}


def load_case(case: Case, folder: Path) -> PreparedCase | None:
    """The cached case, or None where it is missing or damaged."""
    try:
        notes = json.loads((folder / NOTES).read_bytes())
        for name, size in notes["bytes"].items():
            if (folder / name).stat().st_size != size:
                return None
        x, y, z = notes["shape"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return PreparedCase(case.id, folder, (x, y, z), case.label is not None)


def store_case(folder: Path, image: np.ndarray, label: np.ndarray | None, classes: int) -> None:
    """Writes a case's arrays beside their place and renames them; the notes, last, vouch for them.

    Args:
        folder: the case's, in the cache.
        image: (C, X, Y, Z) float32.
        label: (X, Y, Z) classes, or None.
        classes: K.

    Raises:
        CrlnError: the cache cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as temporary:
            beside = Path(temporary)
            _save(beside / IMAGE, image)
            if label is not None:
                _save(beside / LABEL, label)
                np.savez(beside / FOREGROUND, **_foreground(label, classes))
            sizes = {path.name: path.stat().st_size for path in beside.iterdir()}
            notes = {"shape": image.shape[1:], "bytes": sizes}
            (beside / NOTES).write_text(json.dumps(notes), encoding="utf-8")
            for name in (*sizes, NOTES):
                (beside / name).replace(folder / name)
    except (OSError, RuntimeError) as error:
        raise CrlnError(
            f"{folder}: cannot be written ({error}); free space or set --cache"
        ) from error


def _save(path: Path, array: np.ndarray) -> None:
    """Writes an array whose last three axes are X, Y, Z."""
    leading = (1,) * (array.ndim - 3)
    chunks = tuple(min(CHUNK, n) for n in array.shape[-3:])
    blosc2.asarray(
        np.ascontiguousarray(array),
        chunks=leading + chunks,
        blocks=leading + tuple(min(BLOCK, n) for n in chunks),
        urlpath=str(path),
        mode="w",
        cparams={"codec": blosc2.Codec.LZ4, "clevel": 5, "nthreads": 1},
    )


def _foreground(label: np.ndarray, classes: int) -> dict[str, Any]:
    """Up to `VOXELS_PER_CLASS` voxels of each foreground class, evenly spread."""
    chosen: dict[str, Any] = {}
    for k in range(1, classes):
        voxels = np.flatnonzero(label == k)
        if len(voxels):
            spread = np.linspace(0, len(voxels) - 1, min(len(voxels), VOXELS_PER_CLASS)).astype(int)
            positions = np.unravel_index(voxels[spread], label.shape)
            chosen[str(k)] = np.stack(positions, 1).astype(np.int32)
    return chosen
