"""What the coarsest features of a network are, while it outlines a scan."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from crln.networks.backbone import bottleneck_of


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
    """Means of features over windows.

    Args:
        count: of networks.
    """

    def __init__(self, count: int) -> None:
        self._means: list[list[Tensor]] = [[] for _ in range(count)]

    def noting(self, place: int) -> Callable[[nn.Module, object, Tensor], None]:
        """A forward hook that notes what a module gives."""

        def note(module: nn.Module, inputs: object, output: Tensor) -> None:
            self._means[place].append(output.detach().float().mean((2, 3, 4)))

        return note

    def features(self) -> list[np.ndarray | None]:
        """Of each network the mean over all windows, (C,), whatever their order; None: not seen."""
        found: list[np.ndarray | None] = []
        for means in self._means:
            every = torch.cat(means).double().sort(0).values.mean(0).cpu() if means else None
            found.append(None if every is None else every.numpy())
        return found
