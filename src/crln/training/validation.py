"""The score on the validation split, which may choose a checkpoint; test cases never do."""

from collections.abc import Sequence

import numpy as np
import torch

from crln.inference import sliding_window
from crln.labels import LabelSpace
from crln.methods import Method
from crln.planning import Plan
from crln.preparation import PreparedCase


class Validation:
    """Mean foreground Dice of the predictor on whole prepared scans.

    Falsy when there is no validation case.
    """

    def __init__(self, cases: Sequence[PreparedCase], plan: Plan, device: torch.device) -> None:
        self.cases, self.plan, self.device = cases, plan, device

    def __bool__(self) -> bool:
        return bool(self.cases)

    @torch.no_grad()
    def score(self, method: Method) -> float:
        """Dice (0..1), averaged over foreground classes, then over cases that have any; or NaN."""
        training = method.training
        network = method.eval().predictor()
        scores = []
        for case in self.cases:
            image, label, _ = case.read((0, 0, 0), case.shape)
            mask = sliding_window(network, image, self.plan, self.device)
            scores.append(_foreground_dice(mask, label, self.plan.labels, case.known))
        method.train(training)
        known = [score for score in scores if not np.isnan(score)]
        return float(np.mean(known)) if known else float("nan")


def _foreground_dice(
    mask: np.ndarray, label: np.ndarray, labels: LabelSpace, sought: Sequence[bool] | None = None
) -> float:
    """Mean Dice over the classes that either has; NaN where neither has any.

    Voxels that nobody knows, and classes that nobody looked for, do not count.
    """
    scores = []
    for k in range(1, labels.classes):
        if sought is not None and not sought[k]:
            continue
        ours = labels.holds(mask, k) & labels.knows(label, k)
        theirs = labels.holds(label, k)
        size = ours.sum() + theirs.sum()
        if size:
            scores.append(2 * (ours & theirs).sum() / size)
    return float(np.mean(scores)) if scores else float("nan")
