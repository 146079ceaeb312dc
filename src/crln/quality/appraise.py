"""Tells what is to be thought of an outline from what a model knows of its training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crln.imaging import Grid
from crln.labels import LabelSpace
from crln.quality.outlines import Outlines
from crln.quality.score import Appraisal
from crln.quality.shape import shapes_of


@dataclass(frozen=True)
class Appraiser:
    """What a model knows of its training; what an older version's lacks is None.

    Attributes:
        outlines: what the labels are like.
    """

    outlines: Outlines | None = None

    def appraise(
        self, classes: np.ndarray, labels: LabelSpace, grid: Grid, strange: Sequence[str]
    ) -> Appraisal:
        """Of one outline.

        Args:
            classes: (X, Y, Z), or combinations, on the scan's own grid.
            labels: what they are of.
            grid: the scan's.
            strange: what of the scan is far from those of the training.
        """
        of_scan = tuple(f"unlike the training scans: {each}" for each in strange)
        if self.outlines is None:
            return Appraisal(of_scan=of_scan)
        shapes = shapes_of(grid.to_ras(classes), labels, grid.in_ras(grid.spacing))
        return Appraisal(of_scan=of_scan, of_structures=self.outlines.flags(shapes))
