"""Prepared scans on disk, compressed in chunks, so that a patch costs only its own chunks."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from crln.cohort import Case
from crln.errors import CrlnError
from crln.imaging import check_same_grid, read_image, read_label
from crln.labels import IGNORE
from crln.planning.plan import Plan, Triple
from crln.preparation.prepare import prepare_image, prepare_label

FORMAT = 1
"""Raised when what is cached changes."""

VOXELS_PER_CLASS = 1000
"""Foreground voxels remembered per class, to centre patches on."""

CHUNK = 32
OPEN = 256
"""Arrays kept open at a time, whatever the cohort's size."""


@dataclass(frozen=True)
class PreparedCase:
    """One case in the cache; its arrays are opened when first read.

    Attributes:
        id: the case's.
        folder: where its arrays are.
        shape: X, Y, Z after preparation.
        labelled: whether a label was prepared.
        foreground: class -> (n, 3) voxels of it, at most `VOXELS_PER_CLASS`.
    """

    id: str
    folder: Path
    shape: Triple
    labelled: bool
    foreground: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def read(self, start: Triple, size: Triple) -> tuple[np.ndarray, np.ndarray]:
        """A patch, which may reach beyond the scan.

        Args:
            start: first voxel, may be negative.
            size: X, Y, Z.

        Returns:
            Image (C, *size) float32, 0 outside the scan; label (*size) int64, 0 where the case is
            unlabelled, IGNORE outside the scan.
        """
        here, there = [], []
        for first, length, side in zip(start, size, self.shape, strict=True):
            low, high = max(first, 0), max(min(first + length, side), 0)
            here.append(slice(low, max(low, high)))
            there.append(slice(low - first, max(low, high) - first))
        source = _opened(self.folder / "image.b2nd")
        image = np.zeros((source.shape[0], *size), np.float32)
        image[(slice(None), *there)] = source[(slice(None), *here)]
        label = np.full(size, IGNORE, np.int64)
        label[tuple(there)] = (
            _opened(self.folder / "label.b2nd")[tuple(here)] if self.labelled else 0
        )
        return image, label


@lru_cache(maxsize=OPEN)
def _opened(path: Path) -> blosc2.NDArray:
    return blosc2.open(str(path), mode="r")


def default_cache() -> Path:
    """$CRLN_CACHE, or ~/.cache/crln."""
    return Path(os.environ.get("CRLN_CACHE") or Path.home() / ".cache" / "crln")


def prepare_cohort(
    cases: Sequence[Case],
    plan: Plan,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PreparedCase]:
    """Prepares each case once; what is in the cache and unchanged is reused.

    Args:
        cases: only their own label files are opened, and none where `label` is None.
        plan: its spacing, intensities and labels decide what is cached.
        cache: the folder; default `default_cache()`.
        progress: called with (done, of) after each case.

    Raises:
        CrlnError: a file has a fault, or the cache cannot be written.
    """
    root = Path(cache or default_cache())
    prepared = []
    for done, case in enumerate(cases, 1):
        folder = root / _key(case, plan)
        found = _load(case, folder)
        if found is None:
            _build(case, plan, folder)
            found = _load(case, folder)
        if found is None:
            raise CrlnError(f"{folder}: the cache cannot be read back; remove it and try again")
        prepared.append(found)
        if progress:
            progress(done, len(cases))
    return prepared


def _key(case: Case, plan: Plan) -> str:
    """Names what the cached arrays depend on: the files as they are and the plan's preparation."""
    depends: list[Any] = [FORMAT, plan.spacing, plan.labels if case.label else None]
    depends += [scheme.model_dump() for scheme in plan.intensity]
    for path in (*case.images, *([case.label] if case.label else [])):
        depends.append(_identity(path))
    digest = hashlib.blake2b(json.dumps(depends).encode(), digest_size=16).hexdigest()
    return f"{digest[:2]}/{digest[2:]}"


def _identity(path: Path) -> list[Any]:
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [file.stat() for file in files]
    except OSError as error:
        raise CrlnError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return [str(path.resolve()), [[stat.st_size, stat.st_mtime_ns] for stat in stats]]


def _load(case: Case, folder: Path) -> PreparedCase | None:
    """The cached case, or None where it is missing or damaged."""
    try:
        notes = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        for name, size in notes["bytes"].items():
            if (folder / name).stat().st_size != size:
                return None
        x, y, z = notes["shape"]
        foreground = {int(k): np.array(v) for k, v in notes["foreground"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return PreparedCase(case.id, folder, (x, y, z), case.label is not None, foreground)


def _build(case: Case, plan: Plan, folder: Path) -> None:
    volume = read_image(case.images)
    image, placement = prepare_image(volume, plan, case.images[0])
    arrays = {"image.b2nd": image}
    foreground: dict[int, np.ndarray] = {}
    if case.label is not None:
        label_volume = read_label(case.label)
        check_same_grid(case.images[0], volume, case.label, label_volume)
        arrays["label.b2nd"] = prepare_label(label_volume, plan, placement, case.label)
        foreground = _foreground(arrays["label.b2nd"], plan.classes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {name: _save(folder / name, array) for name, array in arrays.items()}
        notes = {
            "case": case.id,
            "shape": list(image.shape[1:]),
            "bytes": sizes,
            "foreground": {k: v.tolist() for k, v in foreground.items()},
        }
        beside = folder / f".case.json.{os.getpid()}"
        beside.write_text(json.dumps(notes), encoding="utf-8")
        beside.replace(folder / "case.json")
    except (OSError, RuntimeError) as error:
        raise CrlnError(f"{folder}: cannot be written ({error}); free space or set --cache") from error


def _save(path: Path, array: np.ndarray) -> int:
    """Writes an array beside its place, renames it, returns its bytes."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    beside.unlink(missing_ok=True)
    chunks = tuple(min(CHUNK, n) for n in array.shape[-3:])
    leading = (1,) * (array.ndim - 3)
    blosc2.asarray(
        np.ascontiguousarray(array),
        chunks=leading + chunks,
        blocks=leading + tuple(min(16, n) for n in chunks),
        urlpath=str(beside),
        mode="w",
        cparams={"codec": blosc2.Codec.LZ4, "clevel": 5, "nthreads": 1},
    )
    size = beside.stat().st_size
    beside.replace(path)
    _opened.cache_clear()
    return size


def _foreground(label: np.ndarray, classes: int) -> dict[int, np.ndarray]:
    """Up to `VOXELS_PER_CLASS` voxels of each foreground class, evenly spread."""
    chosen = {}
    for k in range(1, classes):
        voxels = np.flatnonzero(label == k)
        if len(voxels):
            spread = np.linspace(0, len(voxels) - 1, min(len(voxels), VOXELS_PER_CLASS)).astype(int)
            chosen[k] = np.stack(np.unravel_index(voxels[spread], label.shape), 1)
    return chosen
