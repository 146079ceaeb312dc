"""What a trained network sees in the scans that it was trained on."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from crln.inference.features import watched
from crln.inference.window import Tiling
from crln.planning import Plan
from crln.preparation import PreparedCase
from crln.quality import Features
from crln.training.stream import PatchStream

T = TypeVar("T")

SCANS, WINDOWS = 16, 4
"""Scans that are looked at, and windows of each, at most: a few steps' time in all."""


def looking(
    streams: Sequence[PatchStream], plan: Plan, device: torch.device
) -> Callable[[nn.Module], Features | None]:
    """What tells of a trained network what it sees in the scans of some streams."""
    cases = [case for stream in streams for case in stream.cases]
    return partial(training_features, cases=cases, plan=plan, device=device)


@torch.no_grad()
def training_features(
    network: nn.Module, cases: Sequence[PreparedCase], plan: Plan, device: torch.device
) -> Features | None:
    """The coarsest features of some training scans; None where the network does not give them.

    Args:
        network: that predicts, in evaluation mode.
        cases: of the training, labelled first; some of them, evenly spread, are looked at.
        plan: gives patch and windows.
        device: where the network is.
    """
    found = []
    for case in evenly(cases, SCANS):
        tiling = Tiling.of(case.shape, plan.patch_size, plan.inference)
        corners = [at for _, group in tiling.along(0) for at in group]
        with watched([network]) as watch:
            for at in evenly(corners, WINDOWS):
                start = tuple(s - before for s, (before, _) in zip(at, tiling.margin, strict=True))
                image, _, _ = case.read((start[0], start[1], start[2]), plan.patch_size)
                network(torch.from_numpy(image)[None].to(device))
        (features,) = watch.features()
        if features is None:
            return None
        found.append(features)
    return Features.of(found)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]
