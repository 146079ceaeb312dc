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
        seconds: of each, another network of the same training, that it is compared with; empty:
            none.
    """

    def __init__(
        self, networks: Sequence[Network], labels: LabelSpace, seconds: Sequence[Network] = ()
    ) -> None:
        self.networks, self.labels = tuple(networks), labels
        self.seconds = tuple(seconds) or (None,) * len(self.networks)

    def __call__(self, windows: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> logits (B, K, X, Y, Z) of the mean."""
        first, *others = self.networks
        total = self.labels.probabilities(first(windows))
        for each in others:
            total += self.labels.probabilities(each(windows))
        return self.labels.logits(total / len(self.networks))


def networks_of(network: Network) -> list[tuple[Network, Network | None]]:
    """The members, or the one that it is, each with what it is compared with."""
    if isinstance(network, Members):
        return list(zip(network.networks, network.seconds, strict=True))
    return [(network, None)]
