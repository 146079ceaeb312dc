"""Prepared scans on disk, compressed in chunks, so that a patch costs only its own chunks."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
from pydantic import BaseModel

from crln.cohort import Case
from crln.errors import CrlnError
from crln.files import checked, claim, read_json, write_text
from crln.imaging.faults import FILE_FAULTS
from crln.labels import IGNORE, LabelSpace
from crln.planning.plan import Triple

if TYPE_CHECKING:
    import blosc2

VOXELS_PER_CLASS = 1000
"""Foreground voxels remembered per class, to centre patches on."""
CHUNK, BLOCK = 32, 16
"""Sides of what is compressed together, and of what is decompressed alone."""

IMAGE, LABEL, FOREGROUND, NOTES = "image.b2nd", "label.b2nd", "foreground.npz", "case.json"
KNOWN = "known.npy"
"""Voxels of which the class is known, where not all are."""
LOCK, PARTIAL = ".lock", ".partial-"

_log = logging.getLogger("crln")


class Notes(BaseModel):
    """What vouches for a case in the cache.

    Attributes:
        shape: X, Y, Z.
        files: of each file: size, time of change in ns, checksum.
        made: what it was made from, for who looks into the cache.
    """

    shape: tuple[int, int, int]
    files: dict[str, tuple[int, int, int]]
    made: dict[str, Any] = {}


@dataclass(frozen=True)
class PreparedCase:
    """One case in the cache; its arrays are opened for each patch and never held.

    Attributes:
        id: the case's.
        folder: where its arrays are.
        shape: X, Y, Z after preparation.
        labelled: whether a label was prepared.
        drafted: whether a draft was prepared, in the label's place.
        sparse: whether the label leaves voxels within the scan open.
        known: of each class, whether its label's maker looked for it; None: for all.
    """

    id: str
    folder: Path
    shape: Triple
    labelled: bool
    drafted: bool = False
    sparse: bool = False
    known: tuple[bool, ...] | None = None

    @property
    def foreground(self) -> dict[int, np.ndarray]:
        """Class -> (n, 3) voxels of it, at most `VOXELS_PER_CLASS`; empty without label or draft.

        Raises:
            CrlnError: the cache was removed or damaged meanwhile.
        """
        with _reading(self.folder):
            masked = self.labelled or self.drafted
            return _read_foreground(self.folder / FOREGROUND) if masked else {}

    @property
    def known_voxels(self) -> np.ndarray | None:
        """(n, 3), some of the voxels whose class is known, evenly spread; None: all are, or none.

        Raises:
            CrlnError: the cache was removed or damaged meanwhile.
        """
        with _reading(self.folder):
            return _read_known(self.folder / KNOWN) if self.sparse else None

    def read(self, start: Triple, size: Triple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A patch, which may reach beyond the scan.

        Args:
            start: first voxel, may be negative.
            size: X, Y, Z.

        Returns:
            Image (C, *size) float32, 0 outside the scan; label, or draft, (*size) int64, IGNORE
            outside the scan and, where there is neither, everywhere; (*size) bool, which voxels are
            in the scan.

        Raises:
            CrlnError: the cache was removed or damaged meanwhile.
        """
        source, target = [], []
        for first, length, side in zip(start, size, self.shape, strict=True):
            low = min(max(first, 0), side)
            high = max(min(first + length, side), low)
            source.append(slice(low, high))
            target.append(slice(low - first, high - first) if high > low else slice(0))
        label = np.full(size, IGNORE, np.int64)
        inside = np.zeros(size, np.bool_)
        with _reading(self.folder):
            stored = _open(self.folder / IMAGE)
            image = np.zeros((stored.shape[0], *size), np.float32)
            if all(part.stop > part.start for part in source):
                image[(slice(None), *target)] = stored[(slice(None), *source)]
                inside[tuple(target)] = True
                if self.labelled or self.drafted:
                    label[tuple(target)] = _open(self.folder / LABEL)[tuple(source)]
        return image, label, inside


def _open(path: Path) -> "blosc2.NDArray":
    import blosc2  # a prediction needs no cache

    # One thread: patches are cut while all cores train.
    return blosc2.open(str(path), mode="r", dparams={"nthreads": 1})


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Within it, a fault of the cache becomes a CrlnError; the next start makes the case anew."""
    try:
        yield
    except (*FILE_FAULTS, BadZipFile) as error:
        with suppress(OSError):
            (folder / NOTES).unlink()
        raise CrlnError(
            f"{folder}: damaged in the cache; start again to prepare it anew"
        ) from error


@lru_cache(maxsize=256)
def _read_foreground(path: Path) -> dict[int, np.ndarray]:
    # NumPy leaves a damaged file open that it has opened itself.
    with path.open("rb") as file, np.load(file) as archive:
        return {int(k): archive[k] for k in archive.files}


@lru_cache(maxsize=256)
def _read_known(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        voxels: np.ndarray = np.load(file)
    return voxels


def load_case(case: Case, folder: Path) -> PreparedCase | None:
    """The cached case, or None where it is missing or, which is told, damaged."""
    if not (folder / NOTES).exists():
        return None
    notes = read_notes(folder)
    if notes is None or not all(_whole(folder / name, *kept) for name, kept in notes.files.items()):
        _log.warning("%s: damaged in the cache %s; it is prepared anew", case.images[0], folder)
        with suppress(OSError):
            (folder / NOTES).unlink()  # told once
        return None
    labelled, drafted = case.label is not None, case.label is None and case.draft is not None
    sparse = labelled and KNOWN in notes.files
    return PreparedCase(case.id, folder, notes.shape, labelled, drafted, sparse)


def read_notes(folder: Path) -> Notes | None:
    """What vouches for a case in the cache; None where that is damaged or missing."""
    with suppress(CrlnError):
        return checked(read_json(folder / NOTES, ""), Notes, folder / NOTES, "")
    return None


def _whole(path: Path, size: int, time: int, checksum: int) -> bool:
    """Whether a file is as it was stored; its content is read only where its time is another."""
    try:
        found = path.stat()
        same = found.st_size == size
        return same and (found.st_mtime_ns == time or _checksum(path) == checksum)
    except OSError:
        return False


@contextmanager
def preparing(folder: Path) -> Iterator[None]:
    """Within it, no other process makes the case of this folder; what a dead one left is removed.

    Raises:
        CrlnError: the cache cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    with claim(folder / LOCK, wait=True):
        for left in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def store_case(
    folder: Path,
    image: np.ndarray,
    label: np.ndarray | None,
    labels: LabelSpace,
    made: dict[str, Any] | None = None,
) -> None:
    """Writes a case's arrays beside their place and renames them; the notes, last, vouch for them.

    Args:
        folder: the case's, in the cache.
        image: (C, X, Y, Z) float32.
        label: (X, Y, Z) classes, or combinations, or None.
        labels: what they are of.
        made: what it was made from, for who looks into the cache.

    Raises:
        CrlnError: the cache cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=PARTIAL) as temporary:
            beside = Path(temporary)
            _save(beside / IMAGE, image)
            if label is not None:
                _save(beside / LABEL, label)
                np.savez(beside / FOREGROUND, **_foreground(label, labels))
                if (known := label != IGNORE).any() and not known.all():
                    np.save(beside / KNOWN, spread(known))
            files = {path.name: _described(path) for path in beside.iterdir()}
            x, y, z = image.shape[1:]
            notes = Notes(shape=(x, y, z), files=files, made=made or {})
            for name in files:
                (beside / name).replace(folder / name)
        write_text(folder / NOTES, notes.model_dump_json())
    except (OSError, RuntimeError) as error:
        raise _unwritable(folder, error) from error


def _described(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, _checksum(path)


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            total = crc32(block, total)
    return total


def _unwritable(folder: Path, error: Exception) -> CrlnError:
    return CrlnError(f"{folder}: cannot be written ({error}); free space or set --cache")


def _save(path: Path, array: np.ndarray) -> None:
    """Writes an array whose last three axes are X, Y, Z."""
    import blosc2

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


def _foreground(label: np.ndarray, labels: LabelSpace) -> dict[str, Any]:
    """Up to `VOXELS_PER_CLASS` voxels of each foreground class, evenly spread."""
    found = {str(k): spread(labels.holds(label, k)) for k in range(1, labels.classes)}
    return {name: voxels for name, voxels in found.items() if len(voxels)}


def spread(mask: np.ndarray) -> np.ndarray:
    """(n, 3), up to `VOXELS_PER_CLASS` voxels of a mask."""
    voxels = np.flatnonzero(mask)
    if len(voxels):
        chosen = np.linspace(0, len(voxels) - 1, min(len(voxels), VOXELS_PER_CLASS)).astype(int)
        voxels = voxels[chosen]
    return np.stack(np.unravel_index(voxels, mask.shape), 1).astype(np.int32)
