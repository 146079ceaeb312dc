"""What a trained model thinks of a scan: how much it doubts its outline, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from crln.cohort import Case
from crln.imaging import Grid
from crln.inference import Precision, Prediction
from crln.inference.features import watched
from crln.inference.predictor import predictor_of
from crln.quality import Appraiser
from crln.runs.ensemble import predicting_runs


@dataclass(frozen=True, eq=False)
class Doubt:
    """How much the outline of a scan is doubted, and where.

    Attributes:
        case: that it is of.
        grid: of its file.
        doubt: 0..1, 1 - Dice: of several networks the mean over all pairs of outlines and over
            structures that either has; of one network, what its own probabilities let expect. NaN
            where nothing was outlined.
        slices: along each axis of the file, the doubtful voxels of each slice: of several networks
            those that they dispute, of one those that are expected to be wrong.
        outlined: along each axis of the file, whether a slice holds an outline.
        features: the first network's coarsest ones on average, and how much was outlined.
    """

    case: Case
    grid: Grid
    doubt: float
    slices: tuple[np.ndarray, ...]
    outlined: tuple[np.ndarray, ...]
    features: np.ndarray


class Doubter:
    """Looks at scans with a run or an ensemble.

    Args:
        run: the folder.
        device: "auto", "cpu", "cuda" or "mps".
        precision: of the networks' arithmetic.

    Raises:
        CrlnError: a training has not finished, or its folder is damaged.
    """

    def __init__(self, run: Path, device: str, precision: Precision) -> None:
        runs = predicting_runs(run)
        self.members = [predictor_of([each], device, precision) for each in runs]
        for place, member in enumerate(self.members):
            member.appraiser = Appraiser()  # outlines are compared, which tells more
            if place:
                member.seen = None  # what is strange about a scan is told once

    def look(self, case: Case) -> Doubt:
        """Outlines a scan with each network.

        Raises:
            CrlnError: it cannot be read or prepared.
        """
        first, *others = self.members
        with watched([first.network]) as watch:
            found = [first.predict(case.images)]
        found += [member.predict(case.images) for member in others]
        grid, count = found[0].grid, len(found)
        outlined = np.zeros(grid.shape, bool)
        disputed = np.zeros(grid.shape, np.float32)
        agreement: list[float] = []
        for k in range(1, found[0].labels.classes):
            votes = np.zeros(grid.shape, np.uint16)
            masks = [prediction.inside(k) for prediction in found]
            agreement += pairwise_dice(masks)
            for mask in masks:
                votes += mask
            outlined |= votes > 0
            disputed += np.minimum(votes, count - votes) / np.float32(count)
        doubt = 1 - np.mean(agreement) if agreement else _expected_error(found[0], outlined)
        features = _described(watch.features()[0], outlined)
        return Doubt(
            case, grid, float(doubt) if outlined.any() else np.nan,
            _sums(disputed) if count > 1 else found[0].doubt,
            tuple(total > 0 for total in _sums(outlined)), features,
        )  # fmt: skip


def pairwise_dice(masks: Sequence[np.ndarray]) -> list[float]:
    """Dice of each pair of outlines of a structure, (X, Y, Z) bool, of which either has any."""
    sizes = [np.count_nonzero(mask) for mask in masks]
    return [
        2 * np.count_nonzero(masks[i] & masks[j]) / (sizes[i] + sizes[j])
        for i, j in combinations(range(len(masks)), 2)
        if sizes[i] + sizes[j]
    ]


def _expected_error(found: Prediction, outlined: np.ndarray) -> float:
    """1 - Dice that the probabilities let expect, of all structures together.

    Dice = 1 - wrong / (|A| + |B|), and a truth as large as the outline is expected.
    """
    size = np.count_nonzero(outlined)
    return min(1.0, float(found.doubt[0].sum()) / (2 * size)) if size else np.nan


def _sums(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Along each axis the sum of each slice."""
    return tuple(
        values.sum(tuple(other for other in range(3) if other != axis)) for axis in range(3)
    )


def _described(seen: np.ndarray | None, outlined: np.ndarray) -> np.ndarray:
    """Features of a scan, and how much was outlined; of a network that shows none that alone."""
    size = np.log1p(np.count_nonzero(outlined))
    return np.append(np.zeros(0) if seen is None else seen, size)
