"""What the integers of an outline mean, and which files hold it.

Where structures exclude each other these are the values of a label file. Where they overlap they
are combinations (`crln.combinations`), and each structure has a file of its own, in a folder of its
name. All files of an outline are named by one path; see `crln.imaging.mask_files`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crln.cohort import Cohort, Label, Slices, mask_as_label, read_outline
from crln.cohort.separate import read_separate
from crln.imaging import Grid, check_same_grid, mask_files, write_mask, written_labels
from crln.labels import IGNORE, LabelSpace


@dataclass(frozen=True)
class Structures:
    """The structures of a project.

    Attributes:
        space: their values in the files, names, and the value of what nobody knows.
    """

    space: LabelSpace

    @classmethod
    def of(cls, classes: Mapping[int, str], ignore: int, *, exclusive: bool) -> "Structures":
        """Of label values and their names, background included."""
        return cls(LabelSpace.of(sorted(classes), classes, ignore, exclusive=exclusive))

    @property
    def names(self) -> dict[int, str]:
        """Value to name; of those that overlap the value is a number, from 1."""
        return self.space.structures

    @property
    def separate(self) -> bool:
        """Whether they overlap, and have a file each."""
        return self.space.separate

    @property
    def ignore(self) -> int:
        """The value in the files of voxels that nobody knows."""
        assert self.space.ignore is not None
        return self.space.ignore

    @property
    def nobody(self) -> int:
        """What an outline holds where nobody knows anything."""
        number = len(self.names)
        return ((1 << number) - 1) << number if self.separate else self.ignore

    def inside(self, values: np.ndarray, value: int) -> np.ndarray:
        """Where a structure is, (X, Y, Z) bool."""
        found: np.ndarray = values >> (value - 1) & 1 == 1 if self.separate else values == value
        return found

    def unknown(self, values: np.ndarray) -> np.ndarray:
        """Where something is not known, (X, Y, Z) bool."""
        if self.separate:
            return values >> len(self.names) != 0
        return values == self.ignore

    def held(self, values: np.ndarray) -> np.ndarray:
        """Where some structure is, bool."""
        if self.separate:
            return values & ((1 << len(self.names)) - 1) != 0
        found: np.ndarray = (values != 0) & (values != self.ignore)
        return found

    def layer(self, values: np.ndarray, value: int) -> np.ndarray:
        """Of those that overlap one alone: 0, its value, or `ignore`, as integers."""
        alone = np.where(self.inside(values, value), np.int32(value), np.int32(0))
        alone[self.inside(values, value + len(self.names))] = self.ignore
        return alone

    def with_layer(self, values: np.ndarray, value: int, layer: np.ndarray) -> np.ndarray:
        """An outline in which one of those that overlap is as its own layer says."""
        bits = 1 << (value - 1), 1 << (value - 1 + len(self.names))
        kept: np.ndarray = values & ~sum(bits)
        for bit, meant in zip(bits, (value, self.ignore), strict=True):
            kept[layer == meant] |= bit
        return kept

    def files(self, path: Path) -> dict[int, Path]:
        """The files of the outline at a path: structure to file; of one file {0: path}."""
        return mask_files(path, self.space)

    def folders(self, folder: Path) -> Iterable[Path]:
        """Where the outlines of a folder have their files."""
        return [file.parent for file in self.files(folder / "a").values()]

    def label(self, path: Path, slices: Slices | None = None) -> Label:
        """The outline at a path, as a cohort has it."""
        return replace(mask_as_label(path, self.space), slices=slices)

    def read(
        self, label: Label, scan: Path, grid: Grid, cohort: Cohort, ignore: int | None
    ) -> np.ndarray:
        """An outline, (X, Y, Z) integers, on the scan's grid and in its axis order.

        Args:
            label: the files.
            scan: its first file.
            grid: of the scan.
            cohort: for its classes' names.
            ignore: the value in these files of what nobody knows.

        Raises:
            CrlnError: a file has a fault, or lies on another grid than the scan.
        """
        if not self.separate:
            outline = read_outline(label, grid, cohort.class_names, ignore)
            check_same_grid(scan, grid, label.path, outline.volume.grid)
            values = outline.values
            if outline.known is not None:
                values[~outline.known] = self.ignore
            return values
        found = read_separate(label, replace(self.space, ignore=ignore), grid)
        check_same_grid(scan, grid, label.path, found.grid)
        combined = found.array[0].astype(np.min_scalar_type(-1 - self.nobody))
        combined[combined == IGNORE] = self.nobody
        return combined

    def write(self, path: Path, values: np.ndarray, like: Path, only: int | None = None) -> None:
        """Writes an outline as NIfTI with the scan's own geometry.

        Args:
            path: of the outline.
            values: (X, Y, Z) integers.
            like: the scan.
            only: the structure whose file alone is written; None: every file.

        Raises:
            CrlnError: it cannot be written, or is not of the scan's shape.
        """
        for k, file in self.files(path).items():
            if only in (None, k):
                write_mask(file, self.of_file(values, k), like, overwrite=True)

    def of_file(self, values: np.ndarray, k: int) -> np.ndarray:
        """What a file of an outline holds: of a structure's own 0, 1 and `ignore`."""
        if not k:
            return values
        alone = self.layer(values, k)
        alone[alone == k] = 1
        return alone

    def written(self, k: int) -> LabelSpace:
        """What a file says of its values, in formats that tell names."""
        return written_labels(self.space, k)
