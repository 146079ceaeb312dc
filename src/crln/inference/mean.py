"""Several networks as one."""

from collections.abc import Sequence

from torch import Tensor

from crln.inference.sliding import Network
from crln.labels import LabelSpace


def averaged(networks: Sequence[Network], labels: LabelSpace) -> Network:
    """The network whose probabilities are the mean of those of `networks`.

    They see a window one after the other: the memory is that of one, the time the sum of all.

    Args:
        networks: each (B, C, X, Y, Z) -> logits (B, K, X, Y, Z).
        labels: tell what logits mean.
    """

    def network(windows: Tensor) -> Tensor:
        total = labels.probabilities(networks[0](windows))
        for each in networks[1:]:
            total += labels.probabilities(each(windows))
        return labels.logits(total / len(networks))

    return network
