"""What a kind of file can do: read its grid, read its voxels, write a mask or a map."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from crln.imaging.grid import Grid
from crln.labels import LabelSpace

Content = Literal["image", "label"]


@dataclass(frozen=True, eq=False)
class Output:
    """What is written to a file, with all that a format may want to say of it.

    Attributes:
        array: (X, Y, Z), or (X, Y, Z, K) for a map of K values a voxel.
        grid: that the voxels lie on.
        content: "label" for a mask, "image" for a map.
        source: the scan that it is of, if that is a file.
        labels: values, names and codes of the classes, if they are known.
    """

    array: np.ndarray
    grid: Grid
    content: Content
    source: Path | None = None
    labels: LabelSpace | None = None


class Format(ABC):
    """One kind of file; listed in `crln.imaging.formats`, it is known everywhere.

    Faults of a file may be raised as whatever the library behind raises.

    Attributes:
        name: for a person.
        suffixes: that its files have, in small letters; masks are written with the first. None: it
            is a folder.
        writes: whether masks are written in it; else they are written as NIfTI.
        archive: whether one file holds the scan and its label.
        option: what masks of it are asked for by, as in `--format nifti`; "" where they cannot be.
        of_series: whether its masks refer to a DICOM series.
        outlines_only: whether its files are labels, and never scans.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    writes: bool = True
    archive: bool = False
    option: str = ""
    of_series: bool = False
    outlines_only: bool = False

    def suffix(self, path: Path) -> str:
        """Which of `suffixes` a file's name ends with; "" if none."""
        name = path.name.lower()
        found = (suffix for suffix in self.suffixes if name.endswith(suffix))
        return max(found, key=len, default="")

    def case(self, path: Path) -> str:
        """The case that the name of such a file tells."""
        return path.name[: len(path.name) - len(self.suffix(path))]

    @abstractmethod
    def grid(self, path: Path) -> Grid:
        """Where the voxels lie, without reading them."""

    @abstractmethod
    def voxels(self, path: Path, content: Content) -> np.ndarray:
        """(X, Y, Z), scaled as the file says; of an archive the dataset `content`.

        Of a file of several channels (X, Y, Z, C).
        """

    def scan(self, path: Path) -> tuple[Grid, Callable[[], np.ndarray]]:
        """The grid, and what reads the voxels of the image after it, for headers read once."""
        return self.grid(path), partial(self.voxels, path, "image")

    def channels(self, path: Path) -> int:
        """How many a file holds, without reading voxels."""
        return 1

    def names(self, path: Path) -> dict[int, str]:
        """Value -> name of the classes of a label file; empty where such files tell none."""
        return {}

    def label(
        self,
        path: Path,
        like: Grid | None,
        wanted: Collection[int] | None,
        *,
        as_drawn: bool = False,
    ) -> tuple[np.ndarray, Grid]:
        """Values (X, Y, Z) of a label file, and where they lie.

        Args:
            path: the file.
            like: the grid of its scan, for kinds of label that have none of their own.
            wanted: the values that are asked for, of those that `names` tells; None: all. A format
                whose structures may overlap leaves out the others.
            as_drawn: of a kind that is drawn slice by slice, nothing is filled between slices.
        """
        grid = self.grid(path)
        return self.voxels(path, "label"), grid

    def write(self, target: Path, output: Output) -> None:
        """Writes one file, compressed."""
        raise NotImplementedError(f"{self.name} is not written")
