"""Where the networks of a model differ, and what the last step of one has changed, by voxel."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from crln.inference.mean import Network, networks_of
from crln.labels import LabelSpace

DISAGREEMENT, RECTIFIED = "disagreement", "rectified"

Probabilities = Callable[[Tensor], Tensor]


class Maps:
    """What a model can tell of each voxel besides its probabilities.

    `disagreement` is the share of pairs of networks that decide otherwise, where there are several.
    `rectified` is 1 where the decision is another than that of the network without its last step,
    as CRLN's relation map is one; a network has such a step that has a method `with_plain`, images
    -> its logits, and those before that step.

    Args:
        network: of a `Predictor`.
        labels: decide.

    Examples:
        >>> Maps(lambda windows: windows, LabelSpace.of((0, 1))).names
        ()
    """

    def __init__(self, network: Network, labels: LabelSpace) -> None:
        networks = [each for each, _ in networks_of(network)]
        self.labels = labels
        self.rectifies = all(_step_of(each) is not None for each in networks)
        several = [DISAGREEMENT] if len(networks) > 1 else []
        self.names = (*several, *([RECTIFIED] if self.rectifies else []))

    def windows(self) -> "WindowMaps":
        """Collects what the networks say of one batch of windows."""
        return WindowMaps(self)


class WindowMaps:
    """The maps of one batch of windows.

    Args:
        maps: which are wanted.
    """

    def __init__(self, maps: Maps) -> None:
        self._maps, self._labels = maps, maps.labels
        self._decisions: list[Tensor] = []
        self._plain: Tensor | None = None
        self._networks = 0

    def asking(self, network: Network) -> Probabilities:
        """Images -> (B, K, X, Y, Z), or with those before its last step (B, 2 K, X, Y, Z)."""
        step = _step_of(network) if self._maps.rectifies else None
        if step is None:
            return lambda images: self._labels.probabilities(network(images))
        return lambda images: torch.cat(
            [self._labels.probabilities(logits) for logits in step(images)], 1
        )

    def add(self, found: Tensor) -> Tensor:
        """What one network said; its probabilities (B, K, X, Y, Z) come back."""
        scores = found[:, : self._labels.classes]
        self._networks += 1
        if self._maps.rectifies:
            plain = found[:, self._labels.classes :]
            self._plain = plain if self._plain is None else self._plain + plain
        if DISAGREEMENT in self._maps.names:
            self._decisions.append(self._labels.decide(scores))
        return scores

    def channels(self, total: Tensor) -> Tensor:
        """(B, maps, X, Y, Z), 0 to 1, in the order of `Maps.names`.

        Args:
            total: (B, K, X, Y, Z), the mean probabilities.
        """
        found = []
        if self._decisions:
            found.append(_otherwise(self._decisions).to(total))
        if self._plain is not None:
            plain = self._labels.decide(self._plain / self._networks)
            changed = self._labels.decide(total) != plain
            found.append(changed.to(total))
        return torch.stack(found, 1)


def _step_of(network: Network) -> Callable[[Tensor], tuple[Tensor, Tensor]] | None:
    found: Any = getattr(network, "with_plain", None) if isinstance(network, nn.Module) else None
    return found


def _otherwise(decisions: Sequence[Tensor]) -> Tensor:
    """The share of pairs that differ, of each voxel; one pair at a time, as windows are large."""
    pairs = list(combinations(decisions, 2))
    differ = torch.zeros(decisions[0].shape, device=decisions[0].device)
    for one, other in pairs:
        differ += one != other
    return differ.div_(len(pairs))
