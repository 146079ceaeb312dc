"""Several networks as one."""

from collections.abc import Callable, Sequence

from torch import Tensor

from crln.labels import LabelSpace

Network = Callable[[Tensor], Tensor]
"""What predicts: a module, or whatever takes patches and gives logits."""


class Members:
    """The network whose probabilities are the mean of those of several.

    They see a window one after the other: the memory is that of one, the time the sum of all.

    Args:
        networks: each (B, C, X, Y, Z) -> logits (B, K, X, Y, Z).
        labels: tell what logits mean.
    """

    def __init__(self, networks: Sequence[Network], labels: LabelSpace) -> None:
        self.networks, self.labels = tuple(networks), labels

    def __call__(self, windows: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z) of the mean."""
        first, *others = self.networks
        total = self.labels.probabilities(first(windows))
        for each in others:
            total += self.labels.probabilities(each(windows))
        return self.labels.logits(total / len(self.networks))


def networks_of(network: Network) -> tuple[Network, ...]:
    """The members, or the one that it is."""
    return network.networks if isinstance(network, Members) else (network,)
