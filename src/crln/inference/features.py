"""What the coarsest features of a network are, while it outlines a scan."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import numpy as np
from torch import Tensor, nn

from crln.networks.backbone import bottleneck_of

UNIT = 2.0**-24
"""Means are summed as whole numbers of it: exactly, whatever the order of windows."""


@contextmanager
def watched(networks: Sequence[object]) -> Iterator["Watch"]:
    """Within it, the coarsest features of networks are noted; those that do not say have none."""
    watch, hooks = Watch(len(networks)), []
    for place, network in enumerate(networks):
        coarsest = bottleneck_of(network) if isinstance(network, nn.Module) else None
        if coarsest is not None:
            hooks.append(coarsest.register_forward_hook(watch.noting(place)))
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()


class Watch:
    """Means of features over windows, of which nothing is kept but their sum.

    Args:
        count: of networks.
    """

    def __init__(self, count: int) -> None:
        self._sums: list[Tensor | None] = [None] * count
        self._windows = [0] * count
        self._lock = Lock()

    def noting(self, place: int) -> Callable[[nn.Module, object, Tensor], None]:
        """A forward hook that notes what a module gives; several threads may call it."""

        def note(module: nn.Module, inputs: object, output: Tensor) -> None:
            means = output.detach().float().mean((2, 3, 4))
            here = (means / UNIT).round().long().sum(0)
            with self._lock:
                before = self._sums[place]
                self._sums[place] = here if before is None else before.add_(here)
                self._windows[place] += len(means)

        return note

    def features(self) -> list[np.ndarray | None]:
        """Of each network the mean over all windows, (C,), whatever their order; None: not seen."""
        return [
            None if total is None else total.cpu().numpy() * UNIT / windows
            for total, windows in zip(self._sums, self._windows, strict=True)
        ]
