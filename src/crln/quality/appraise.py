"""Tells what is to be thought of an outline from what a model knows of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crln.imaging import Grid
from crln.labels import LabelSpace
from crln.quality.features import Features
from crln.quality.outlines import LabelRanges
from crln.quality.record import Quality
from crln.quality.score import Appraisal, Score
from crln.quality.shape import shapes_of
from crln.quality.signals import Signals


@dataclass(frozen=True)
class Appraiser:
    """What a model knows of its training; what an older version's lacks is None.

    Attributes:
        outlines: what the labels are like.
        quality: what left-out cases tell.
        features: of the training scans, as each network sees them.
    """

    outlines: LabelRanges | None = None
    quality: Quality | None = None
    features: tuple[Features | None, ...] = ()

    def unlike(self, seen: Sequence[np.ndarray | None]) -> list[str]:
        """Whether most networks see a scan far from all that they saw in training.

        Args:
            seen: of each network the coarsest features of the scan, (C,).
        """
        if len(seen) != len(self.features):
            return []
        far = [
            known.far(ours)
            for known, ours in zip(self.features, seen, strict=True)
            if known is not None and ours is not None and len(ours) == len(known.mean)
        ]
        return ["what the network sees in it"] if sum(far) * 2 > len(far) else []

    def appraise(
        self,
        classes: np.ndarray,
        labels: LabelSpace,
        grid: Grid,
        strange: Sequence[str],
        signals: Mapping[str, Signals],
    ) -> Appraisal:
        """Of one outline.

        Args:
            classes: (X, Y, Z), or combinations, on the scan's own grid.
            labels: what they are of.
            grid: the scan's.
            strange: what of the scan is far from those of the training.
            signals: of each structure.
        """
        of_scan = tuple(f"unlike the training scans: {each}" for each in strange)
        if self.outlines is None and self.quality is None:
            return Appraisal(of_scan=of_scan)
        shapes = shapes_of(grid.to_ras(classes), labels, grid.in_ras(grid.spacing))
        quality = self.quality or Quality()
        scores = {
            # What is not there, as it is not in some labels either, has no Dice.
            name: quality.score(name, found) if shapes[name] else Score()
            for name, found in signals.items()
        }
        flags = self.outlines.flags(shapes) if self.outlines else {}
        missing = {name: Score(rank=0.0) for name in flags if shapes[name] is None}
        return Appraisal(scores | missing, of_scan, flags)
