"""How sure networks are of what they outline, and how far several agree, summed over windows."""

from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor

from crln.inference.window import Tiling, window_shares
from crln.labels import LabelSpace
from crln.planning import Plan
from crln.planning.plan import Triple
from crln.quality import Signals


class Tally:
    """Sums over the windows of a scan, each of its voxels counting once.

    Of network m and class k, p being its probability and a whether it decides for it: sum p, sum a
    and sum p a; where it has a second, b being whether that one decides for it, sum b and sum a b;
    and, n being how many networks decide for it, sum n (n - 1). Nothing is kept of a window, not
    even its sums: small tensors that outlive large ones hold the heap open between them.

    Args:
        labels: decide.
    """

    def __init__(self, labels: LabelSpace) -> None:
        self.labels = labels
        self._shares: list[dict[int, Tensor]] = []
        self._total: Tensor | None = None

    def begin(self, tiling: Tiling, plan: Plan, device: torch.device) -> None:
        """A new scan."""
        self._shares, self._total = window_shares(tiling, plan.inference, device), None

    def windows(self, corners: Sequence[Triple]) -> "Votes":
        """What is counted in the windows at `corners`."""
        weights = []
        for at in corners:
            x, y, z = (share[start] for share, start in zip(self._shares, at, strict=True))
            weights.append(x[:, None, None] * y[:, None] * z)
        return Votes(self.labels, torch.stack(weights))

    def add(self, sums: Tensor) -> None:
        """What was counted in some windows, as `Votes.sums` gives it."""
        here = sums.cpu().double()  # there before it is of 64 bits, which not every device knows
        self._total = here if self._total is None else self._total.add_(here)

    def signals(self) -> dict[str, Signals]:
        """What the windows tell of each structure, by its name."""
        assert self._total is not None
        each, pairs = self._total[:-1], self._total[-1, 0]
        mass, size, held, *looked = each.unbind(1)  # (M, K - 1)
        unknown = torch.full_like(pairs, nan)
        sure = (2 * held / (mass + size)).nan_to_num().mean(0)
        agreement = second = unknown
        if len(each) > 1:
            agreement = (pairs / ((len(each) - 1) * size.sum(0))).nan_to_num()
        if looked:
            other, both = looked
            second = (2 * both / (size + other)).nan_to_num().mean(0)
        return {
            name: Signals(*(float(signal[k]) for signal in (sure, agreement, second)))
            for k, name in enumerate(self.labels.names[1:])
        }


class Votes:
    """The sums over one batch of windows.

    Args:
        labels: decide.
        weights: (B, X, Y, Z), how much each voxel counts.
    """

    def __init__(self, labels: LabelSpace, weights: Tensor) -> None:
        self.labels, self.weights = labels, weights
        self._each: list[Tensor] = []
        self._votes: Tensor | None = None

    def add(self, probabilities: Tensor, second: Tensor | None = None) -> None:
        """Those of one more network, (B, K, X, Y, Z), and of what it is compared with."""
        decided = self._decided(probabilities)
        other = None if second is None else self._decided(second)
        each = [
            self._summed(
                probabilities[:, k + 1], decided[:, k], None if other is None else other[:, k]
            )
            for k in range(decided.shape[1])
        ]
        self._each.append(torch.stack(each, 1))
        self._votes = decided if self._votes is None else self._votes.to(torch.uint8).add_(decided)

    def _summed(self, mass: Tensor, held: Tensor, other: Tensor | None) -> Tensor:
        """The sums of one structure, (3,) or (5,); one at a time, as windows are large."""
        size = held * self.weights
        sums = [(mass * self.weights).sum(), size.sum(), (mass * size).sum()]
        if other is not None:
            sums += [(other * self.weights).sum(), (other * size).sum()]
        return torch.stack(sums)

    def _decided(self, probabilities: Tensor) -> Tensor:
        """Where a network decides for each structure, (B, K - 1, X, Y, Z) bool."""
        if self.labels.exclusive:
            best = probabilities.amax(1, keepdim=True)
            return probabilities[:, 1:] >= best
        found = self.labels.decide(probabilities)
        held = [self.labels.holds(found, k) for k in range(1, self.labels.classes)]
        return torch.stack(held, 1)

    def sums(self) -> Tensor:
        """(M + 1, 3 or 5, K - 1): of each network its sums; then sum n (n - 1), and zeros."""
        assert self._votes is not None
        pairs = torch.zeros_like(self._each[0])
        if len(self._each) > 1:
            for k, votes in enumerate(self._votes.unbind(1)):
                many = votes.to(self.weights)
                pairs[0, k] = (many * (many - 1) * self.weights).sum()
        return torch.stack([*self._each, pairs])
