"""What the page gets of a scan and its outline, and how a drawing comes back.

The viewer in the page (NiiVue 0.69) reads some headers otherwise than everybody else, loses the
last voxel of 32-bit files and counts labels modulo 256. So it never sees a person's file: it gets
fresh files whose axes are in the order of RAS with a diagonal affine, which it can neither flip nor
permute, and an outline as numbers into a list of values. It gives back the bare numbers. Order of
axes, header and values are Python's.
"""

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from crln.errors import CrlnError
from crln.files import whole_file
from crln.imaging import Grid, read_stored

if TYPE_CHECKING:
    import nibabel as nib

_BLOCK = 2**20
_DENSE = 2**20
"""Values this close together are marked in a table."""
MOST_VALUES = 256
"""The viewer counts classes in a byte."""
_OWN_TYPES = (np.uint8, np.int16, np.uint16)
"""Types that the viewer shows as they are; the others become float32."""


class DrawingError(CrlnError):
    """A drawing that is none of this scan."""


def write_shown(scan: Path, channel: int, path: Path) -> None:
    """Writes a channel of a scan as the page shows it, uncompressed.

    Raises:
        CrlnError: the scan cannot be read, or has no such channel.
    """
    voxels, grid = read_stored(scan)
    if voxels.ndim == 4:
        if channel >= voxels.shape[3]:
            raise CrlnError(f"{scan}: has {voxels.shape[3]} channels; choose one of them")
        voxels = voxels[..., channel]
    save_shown(path, shown_voxels(voxels), grid)


def shown_voxels(voxels: np.ndarray) -> np.ndarray:
    """Voxels in a type that the viewer shows; what is not finite becomes the nearest that is."""
    if voxels.dtype.newbyteorder("=") in _OWN_TYPES:
        return voxels
    shown = voxels.astype(np.float32)
    fine = np.isfinite(shown)
    if not fine.all():
        low, high = (shown[fine].min(), shown[fine].max()) if fine.any() else (0, 0)
        np.nan_to_num(shown, copy=False, nan=low, posinf=high, neginf=low)
    return shown


def save_shown(path: Path, voxels: np.ndarray, grid: Grid) -> None:
    """Writes an array on a grid with its axes in the order of RAS and a diagonal affine."""
    with whole_file(path, overwrite=True) as target:
        _shown(voxels, grid).to_filename(target)


def packed(voxels: np.ndarray, grid: Grid) -> bytes:
    """The same as the bytes of a `.nii.gz`, quickly packed."""
    return gzip.compress(_shown(voxels, grid).to_bytes(), compresslevel=1, mtime=0)


def _shown(voxels: np.ndarray, grid: Grid) -> "nib.Nifti1Image":
    import nibabel as nib

    affine = np.diag([*grid.in_ras(grid.spacing), 1.0])
    image = nib.Nifti1Image(grid.to_ras(voxels), affine)
    image.set_sform(affine, code=1)
    image.set_qform(None, code=0)
    image.header.set_xyzt_units("mm")
    return image


def ras_affine(grid: Grid) -> np.ndarray:
    """From the page's voxels to world millimetres, (4, 4), for what it tells under the cursor."""
    affine = np.eye(4)
    for axis, (ras, flip) in enumerate(grid.turn):
        column = grid.to_world[:3, axis]
        affine[:3, ras] = flip * column
        if flip < 0:
            affine[:3, 3] += column * (grid.shape[axis] - 1)
    affine[:3, 3] += grid.to_world[:3, 3]
    return affine


@dataclass(frozen=True, eq=False)
class Drawing:
    """Between an outline on a scan's grid and the numbers that the page draws with.

    Attributes:
        grid: of the scan.
        values: of label files: number k in the page is the k-th; the first is the background.
    """

    grid: Grid
    values: tuple[int, ...]

    @classmethod
    def of(cls, grid: Grid, known: Iterable[int], held: np.ndarray, name: str) -> "Drawing":
        """For an outline that holds some values.

        Args:
            grid: of the scan.
            known: values that can be drawn, background first.
            held: the outline's values.
            name: of the case, for the error.

        Raises:
            CrlnError: these are more values than the page can draw.
        """
        values = list(dict.fromkeys(known))
        values += sorted(_values_in(held) - set(values))
        if len(values) > MOST_VALUES:
            raise CrlnError(
                f"{name}: its outline holds {len(values) - 1} different values, and the page draws "
                f"{MOST_VALUES - 1}; correct it in 3D Slicer"
            )
        return cls(grid, tuple(values))

    def numbers(self, outline: np.ndarray) -> np.ndarray:
        """Values (X, Y, Z) on the scan's grid -> uint8 numbers, in the same order."""
        low = min(self.values)
        if max(self.values) - low > _DENSE:
            order = np.argsort(self.values)
            place = np.searchsorted(np.array(self.values)[order], outline)
            sparse: np.ndarray = order.astype(np.uint8)[place]
            return sparse
        table = np.zeros(max(self.values) - low + 1, np.uint8)
        table[np.array(self.values) - low] = np.arange(len(self.values))
        numbers = np.zeros_like(outline, np.uint8)
        for plane, target in zip(*_planes(outline, numbers), strict=True):
            if self.values[0] or plane.any():
                target[...] = table[_from(plane, low)]
        return numbers

    def outline(self, drawn: np.ndarray) -> np.ndarray:
        """What the page gave back, as values (X, Y, Z) on the scan's grid, of a type that fits.

        Args:
            drawn: uint8, a number a voxel, the first axis of RAS fastest.

        Raises:
            DrawingError: it is of another size, or holds a number that is no class.
        """
        shape = self.grid.in_ras(self.grid.shape)
        if drawn.size != np.prod(shape):
            raise DrawingError(f"a drawing of {drawn.size} voxels for a scan of {np.prod(shape)}")
        if drawn.max(initial=0) >= len(self.values):
            raise DrawingError(
                f"a drawing with the class number {drawn.max()}, where there are {len(self.values)}"
            )
        stored = self.grid.from_ras(drawn.reshape(shape, order="F"))
        kind = np.result_type(*map(np.min_scalar_type, self.values))
        table, outline = np.array(self.values, kind), np.zeros_like(stored, kind)
        for plane, target in zip(*_planes(stored, outline), strict=True):
            if self.values[0] or plane.any():
                target[...] = table[plane]
        return outline


def _values_in(outline: np.ndarray) -> set[int]:
    """The different values, found by marking rather than by sorting all voxels."""
    low, high = int(outline.min()), int(outline.max())
    if high - low > _DENSE:
        return set(np.unique(outline).tolist())
    seen = np.zeros(high - low + 1, bool)
    for plane in _planes(outline)[0]:
        if plane.any():
            seen[_from(plane, low)] = True
        else:
            seen[-low] = True
    return set((np.flatnonzero(seen) + low).tolist())


def _planes(*arrays: np.ndarray) -> list[np.ndarray]:
    """Planes of each, which lie together in the memory of the first: quick, and takes little.

    Most of an outline's hold nothing, which is quicker told than what they hold.
    """
    slowest = int(np.argmax(np.abs(arrays[0].strides)))
    return [np.moveaxis(array, slowest, 0) for array in arrays]


def _from(plane: np.ndarray, low: int) -> np.ndarray:
    """How far each value lies above the lowest."""
    return np.subtract(plane, low, dtype=np.int64) if low else plane


def unpack(body: BinaryIO, length: int, voxels: int) -> np.ndarray:
    """Unpacks a drawing that came gzipped, block by block: never more memory than it has voxels.

    Args:
        body: to read from.
        length: bytes that there are.
        voxels: bytes that it must unpack to.

    Raises:
        DrawingError: it is no gzip, is cut short, or unpacks to more or less.
    """
    found, filled = np.empty(voxels, np.uint8), 0
    packed = zlib.decompressobj(wbits=31)
    while length:
        block = body.read(min(length, _BLOCK))
        if not block:
            raise DrawingError("a drawing that was cut short")
        length -= len(block)
        while block:
            try:
                plain = packed.decompress(block, voxels - filled + 1)
            except zlib.error as error:
                raise DrawingError("a drawing that is no gzip") from error
            if filled + len(plain) > voxels or packed.unused_data:
                raise DrawingError(f"a drawing of more than {voxels} voxels")
            found[filled : filled + len(plain)] = np.frombuffer(plain, np.uint8)
            filled += len(plain)
            block = packed.unconsumed_tail
    if not packed.eof or filled != voxels:
        raise DrawingError(f"a drawing of {filled} voxels for a scan of {voxels}")
    return found
