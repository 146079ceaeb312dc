"""Small pictures for the list: the slice that holds most, with its outline."""

import threading
from pathlib import Path

import numpy as np

from crln.cohort import Case
from crln.files import whole_file
from crln.imaging import Grid, read_grid, read_stored
from crln.report.style import class_colour
from crln.reviewing.project import Project
from crln.reviewing.shown import Shelf
from crln.reviewing.state import CaseState, Status, file_name

SIDE = 96
"""Pixels of the longer side: twice what the list shows, for screens of many pixels."""
_TAILS = (1, 99)


def thumbnail_key(state: CaseState, status: Status, round: int | None) -> str:
    """Changes where the picture would: with a mask or a decision, not with every stroke.

    Args:
        state: of the case.
        status: of it.
        round: the last that has a mask of it.
    """
    drawing = state.drawing if state.state == "accepted" else None
    return f"{status}.{round or 0}.{drawing or 0}"


class Thumbnails:
    """Makes them when first asked for, one at a time, and keeps them as files.

    Args:
        project: that they are of.
        shelf: has scans that were shown already, which are quickly read.
    """

    def __init__(self, project: Project, shelf: Shelf) -> None:
        self._project, self._shelf = project, shelf
        self._folder = project.places.shown / "small"
        self._making = threading.Lock()

    def picture(self, id: str) -> Path:
        """The PNG file of a case.

        Raises:
            CrlnError: its scan or outline cannot be read.
        """
        project, stem = self._project, file_name(id)
        key = thumbnail_key(project.state(id), project.status(id), project.masks.round(id))
        path = self._folder / f"{stem}.{key}.png"
        with self._making:
            if not path.exists():
                pixels = self._drawn(project.case(id))
                for old in self._folder.glob(f"{stem}.*.png"):
                    if old.name.count(".") == path.name.count("."):  # a case may be called a.b
                        old.unlink(missing_ok=True)
                _write(path, pixels)
        return path

    def _drawn(self, case: Case) -> np.ndarray:
        """(rows, columns, 3) uint8."""
        grid = read_grid(case.images[0])
        if self._project.standing(case.id).origin == "nothing":
            middle = grid.in_ras(grid.shape)[2] // 2
            return _sized(_coloured(self._slice(case, grid, middle)), grid)
        values = self._project.values(case.id)
        structures, turned = self._project.structures, grid.to_ras(values)
        slices = (turned[:, :, k] for k in range(turned.shape[2]))
        sums = [int(structures.held(each).sum()) if each.any() else 0 for each in slices]
        k = int(np.argmax(sums)) if any(sums) else len(sums) // 2
        pixels = _coloured(self._slice(case, grid, k))
        for place, value in enumerate(structures.names):
            colour = class_colour(place)
            pixels[_rim(structures.inside(turned[:, :, k], value))] = [
                int(colour[at : at + 2], 16) for at in (1, 3, 5)
            ]
        return _sized(pixels, grid)

    def _slice(self, case: Case, grid: Grid, k: int) -> np.ndarray:
        """An axial slice of the first channel, (X, Y)."""
        if (shown := self._shelf.there(case)) is not None:
            return shown[:, :, k]
        voxels, _ = read_stored(case.images[0])
        return grid.to_ras(voxels[..., 0] if voxels.ndim == 4 else voxels)[:, :, k]


def _coloured(values: np.ndarray) -> np.ndarray:
    """(X, Y) -> (X, Y, 3) uint8, grey."""
    finite = np.nan_to_num(values.astype(np.float32))
    low, high = np.percentile(finite, _TAILS)
    scaled = (finite - low) / max(float(high - low), 1e-6)
    grey = (255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def _rim(inside: np.ndarray) -> np.ndarray:
    """What of a mask (X, Y) has a neighbour outside."""
    wide = np.pad(inside, 1)
    within = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return inside & ~within


def _sized(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """(X, Y, 3) in the order of RAS -> rows from front to back, as the page shows it, and small."""
    from PIL import Image

    x, y, _ = grid.in_ras(grid.spacing)
    wide, tall = pixels.shape[0] * x, pixels.shape[1] * y
    scale = SIDE / max(wide, tall)
    size = max(1, round(wide * scale)), max(1, round(tall * scale))
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 0, 2)[::-1]))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def _write(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    with whole_file(path, overwrite=True) as target:
        Image.fromarray(pixels).save(target, "PNG")
