"""The outline of one scan: to look at, to compute with, to save."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crln.combinations import join
from crln.errors import CrlnError
from crln.evaluation.measures import Measures, measure
from crln.imaging import (
    Grid,
    Volume,
    mask_files,
    read_image,
    refuse_input,
    write_mask,
    written_labels,
)
from crln.labels import LabelSpace
from crln.quality import Appraisal, Score, Signals

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inside(mask: np.ndarray, labels: LabelSpace, k: int) -> np.ndarray:
    """Where class k is, (X, Y, Z) bool.

    Args:
        mask: as `Prediction` has it.
        labels: what it is of.
        k: 0..K-1.
    """
    if labels.separate:
        return mask[k]
    return np.isin(mask, labels.members[k]) if labels.members else mask == labels.values[k]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The outline of one scan, on the scan's own grid and in its order of axes.

    Attributes:
        mask: (X, Y, Z), values of the label files; of structures that have a file each (K, X, Y, Z)
            bool in the order of `labels.names`, where each is.
        probabilities: (K, X, Y, Z) float32 in the order of `labels.names`, or None.
        uncertainty: (X, Y, Z) float32, entropy of the probabilities over log K (0 certain,
            1 undecided), or None; of overlapping classes the mean over each one's.
        grid: where the voxels lie.
        labels: values and names of the classes.
        scan: the scan's files, one per channel, or the scan itself where that was given.
        doubt: (X,), (Y,) and (Z,) float32: how many voxels of each slice along each axis are
            expected to be wrong, if the probabilities hold.
        appraisal: how good the outline is likely to be, and what is strange.
        signals: of each structure, by its name: what tells how good its outline is.
        maps: (X, Y, Z) float16, 0 to 1, where asked for and where the model can tell:
            "disagreement", the share of pairs of an ensemble's networks that decide otherwise;
            "rectified", where CRLN's relation map has changed the decision.

    Examples:
        >>> predictor = crln.load_predictor("run")
        >>> prediction = predictor.predict(["data/images/case_07.nii.gz"], uncertainty=True)
        >>> prediction.uncertainty.shape
        (18, 18, 16)
        >>> file = prediction.save("masks/case_07.nii.gz", overwrite=True)
    """

    mask: np.ndarray
    probabilities: np.ndarray | None
    uncertainty: np.ndarray | None
    grid: Grid
    labels: LabelSpace
    scan: tuple[Path, ...] | Volume
    doubt: tuple[np.ndarray, np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.zeros(0, np.float32),) * 3
    )
    appraisal: Appraisal = field(default_factory=Appraisal)
    signals: Mapping[str, Signals] = field(default_factory=dict)
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def scores(self) -> Mapping[str, Score]:
        """How good each structure's outline is likely to be, by its name.

        Empty where the model has no record to tell by, as that of an older version.

        Examples:
            >>> prediction = crln.load_predictor("run").predict("scan.nii.gz")
            >>> {name: score.known for name, score in prediction.scores.items()}
            {'head': False, 'tail': False}
        """
        return self.appraisal.scores

    @property
    def flags(self) -> tuple[str, ...]:
        """What is strange about the scan or its outline, each a short part of a sentence."""
        return self.appraisal.flags

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Writes the mask; it opens on top of its scan in any viewer.

        Structures that have a file each are written beside `path` into folders of their names,
        `masks/liver/a.nii.gz` for `masks/a.nii.gz`.

        Args:
            path: the file; its suffix tells the format, such as `.nii.gz`, `.nrrd` or `.mha`.
            overwrite: replace a file that exists; never the scan itself.

        Returns:
            The file, or the last of them.

        Raises:
            CrlnError: it exists, is one of the scan's own files, cannot be written, or is of no
                format that masks are written in.
        """
        path = Path(path)
        like: Path | Grid = self.grid
        if not isinstance(self.scan, Volume):
            refuse_input(path, self.scan)
            if self.scan[0].exists():
                like = self.scan[0]  # its header says more than the grid
        written: list[Path] = []
        try:
            for k, file in mask_files(path, self.labels).items():
                mask = self.mask[k].astype(np.uint8) if self.labels.separate else self.mask
                labels = written_labels(self.labels, k)
                write_mask(file, mask, like, labels=labels, overwrite=overwrite)
                written.append(file)
        except CrlnError:
            for file in written:
                file.unlink()
            raise
        return file

    @property
    def structures(self) -> dict[str, np.ndarray]:
        """Where each class but the background is: its name to (X, Y, Z) bool."""
        names = self.labels.names
        return {name: self.inside(k) for k, name in enumerate(names) if k}

    def read_scan(self) -> Volume:
        """The scan that was outlined, all its channels; read again where files were given."""
        return self.scan if isinstance(self.scan, Volume) else read_image(self.scan)

    def measures(self) -> dict[str, Measures]:
        """Volume, largest diameter, mean intensity and pieces of each structure, by its name.

        Examples:
            >>> prediction = crln.load_predictor("run").predict("scan.nii.gz")
            >>> list(prediction.measures())
            ['head', 'tail']
        """
        scan = self.read_scan()
        return {
            name: measure(self.inside(k), self.grid, scan.array)
            for k, name in enumerate(self.labels.names)
            if k
        }

    def inside(self, k: int) -> np.ndarray:
        """Where class k is, (X, Y, Z) bool."""
        return inside(self.mask, self.labels, k)

    def show(self) -> "Figure":
        """Three orthogonal slices of the scan through the outline, as a matplotlib figure."""
        from crln.report import slice_picture

        scan = self.scan if isinstance(self.scan, Volume) else read_image(self.scan[:1])
        shown = self.mask
        if self.labels.separate:
            shown = join(dict(enumerate(self.mask[1:], 1)), {}, len(self.mask) - 1)
        background = 0 if self.labels.separate else self.labels.known[0]
        return slice_picture(scan, None, {"": np.where(shown != background, shown, 0)})

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        picture = io.BytesIO()
        self.show().savefig(picture, format="png", dpi=100)
        return picture.getvalue()
