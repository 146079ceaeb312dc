"""Scans as the page shows them: files that are made when first asked for."""

import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crln.cohort import Case
from crln.errors import CrlnError
from crln.imaging import count_channels
from crln.reviewing.bridge import write_shown
from crln.reviewing.places import Places
from crln.reviewing.state import file_name
from crln.reviewing.windows import Window, windows_of

MOST_KEPT = 6
"""Scans that are kept as files for the page; others are made again."""
_HEADER = 352
"""Bytes before the voxels."""


@dataclass(frozen=True)
class Shown:
    """One channel of a scan, as a file for the page.

    Attributes:
        path: uncompressed NIfTI, axes in the order of RAS.
        windows: values that are black and white, by name; the first at first.
    """

    path: Path
    windows: tuple[Window, ...]

    @property
    def voxels(self) -> np.ndarray:
        """(X, Y, Z), mapped from the file: what is not looked at is not read."""
        return _voxels(self.path)


class Shelf:
    """Makes and keeps these files; the memory of a scan is taken while it is made, and no longer.

    Args:
        places: of the project.
    """

    def __init__(self, places: Places) -> None:
        self._folder = places.shown
        self._locks: dict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._making = threading.Lock()
        self._windows: dict[Path, tuple[Window, ...]] = {}

    def there(self, case: Case) -> np.ndarray | None:
        """The first channel (X, Y, Z) in the order of RAS, where its file is made already."""
        path = self._file(case, case.images[0], 0)
        return _voxels(path) if path.exists() else None

    def _file(self, case: Case, source: Path, channel: int) -> Path:
        found = source.stat()
        name = f"{file_name(case.id)}.{channel}.{found.st_mtime_ns}.{found.st_size}.nii"
        return self._folder / name

    def scan(self, case: Case, channel: int = 0, name: str = "") -> Shown:
        """A channel of a case's scan.

        Args:
            case: whose.
            channel: from 0.
            name: of the channel, such as "CT".

        Raises:
            CrlnError: the scan cannot be read, or has no such channel.
        """
        if channel >= (total := channels(case)):
            raise CrlnError(f"{case.id}: has {total} channels; choose one of them")
        several = len(case.images) > 1
        source, inside = (case.images[channel], 0) if several else (case.images[0], channel)
        path = self._file(case, source, channel)
        with self._locks[path]:
            if not path.exists():
                with self._making:  # one scan's memory at a time
                    write_shown(source, inside, path)
                    self._forget(path)
            if path not in self._windows:
                self._windows[path] = windows_of(_voxels(path).ravel(order="K"), name)
        return Shown(path, self._windows[path])

    def _forget(self, newest: Path) -> None:
        """Removes the files that were made first."""
        others = [path for path in self._folder.glob("*.nii") if path != newest]
        others.sort(key=lambda path: path.stat().st_mtime_ns)
        for path in others[: max(0, len(others) + 1 - MOST_KEPT)]:
            with suppress(OSError):  # Windows keeps what is being sent
                path.unlink()


def channels(case: Case) -> int:
    """How many channels a case has, in files of one or of several."""
    return len(case.images) if len(case.images) > 1 else count_channels(case.images)


def _voxels(path: Path) -> np.ndarray:
    """Of a file for the page, (X, Y, Z), in place."""
    import nibabel as nib

    image = nib.Nifti1Image.from_filename(path)
    return np.memmap(
        path, image.get_data_dtype(), "r", offset=_HEADER, shape=image.shape, order="F"
    )
