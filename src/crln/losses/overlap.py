"""The shared terms where classes overlap: p is the sigmoid of each class's own logit.

What a target says of each class comes as two maps: `held`, where the class is, and `counted`, where
that is known. Where nothing is, each loss is 0, and so is its gradient.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from crln.losses.terms import SMALLEST, Over, dice_of, full_precision, in_shares


def binary_cross_entropy(logits: Tensor, held: Tensor) -> Tensor:
    """-log p where a class is and -log(1 - p) where it is not, of each voxel and class.

    Args:
        logits: (B, K, X, Y, Z).
        held: of the same shape, bool.
    """
    logits = full_precision(logits)
    return F.binary_cross_entropy_with_logits(logits, held.to(logits.dtype), reduction="none")


def mean_where(values: Tensor, counted: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over what counts, of each class its weight; 0 where nothing does.

    Args:
        values: (B, K, X, Y, Z).
        counted: of the same shape, bool.
        weights: (K,), or None: all weigh the same.
    """
    shares = counted if weights is None else counted * weights[:, None, None, None]
    return (values * shares).sum() / shares.sum().clamp(min=SMALLEST)


def soft_dice(
    probability: Tensor,
    held: Tensor,
    counted: Tensor,
    weights: Tensor | None = None,
    *,
    squared: bool = True,
    foreground: bool = True,
    over: Over = "batch",
    epsilon: float = 1e-5,
) -> Tensor:
    """1 - (2 sum p g + e) / (sum p^2 + sum g^2 + e), averaged over classes, as `soft_dice_loss`.

    Args:
        probability: p, (B, K, X, Y, Z).
        held: g, of the same shape, bool.
        counted: which voxels enter the sums of each class, of the same shape, bool.
        weights: (K,), a class's weight in the mean.
        squared: the squares in the denominator, or plain sums.
        foreground: leave class 0 out of the mean.
        over: sums run over the whole batch, or over each sample, averaged after.
        epsilon: e.
    """
    first = int(foreground)
    probability, counted = probability[:, first:], counted[:, first:]
    truth = held[:, first:] & counted
    axes = (2, 3, 4) if over == "sample" else (0, 2, 3, 4)
    size = (probability.square() if squared else probability) * counted
    sums = (probability * truth).sum(axes), size.sum(axes), truth.sum(axes)
    return dice_of(sums, weights, epsilon)


def overlapping_loss(
    logits: Tensor,
    held: Tensor,
    counted: Tensor,
    terms: Sequence[str],
    weights: Tensor | None = None,
) -> Tensor:
    """What a label teaches: 1/2 (binary cross-entropy + soft Dice), or the terms of a plan.

    Args:
        logits: (B, K, X, Y, Z).
        held: of the same shape, bool.
        counted: of the same shape, bool.
        terms: of `SHARES`, averaged.
        weights: (K,), a class's weight in both.
    """
    logits = full_precision(logits)
    weights = None if weights is None else weights.to(logits)
    return in_shares(
        terms,
        lambda: mean_where(binary_cross_entropy(logits, held), counted, weights),
        lambda: soft_dice(logits.sigmoid(), held, counted, weights),
    )


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Mean over classes of -p log p - (1 - p) log(1 - p), (B, K, X, Y, Z) -> (B, X, Y, Z)."""
    p = full_precision(probabilities)
    logs = p.clamp(min=SMALLEST).log(), (1 - p).clamp(min=SMALLEST).log()
    return -(p * logs[0] + (1 - p) * logs[1]).mean(1)


def binary_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Mean over classes of KL(p || q), (B, K, X, Y, Z) -> (B, X, Y, Z); both are logits."""
    p = first.sigmoid()
    here = p * (F.logsigmoid(first) - F.logsigmoid(second))
    there = (1 - p) * (F.logsigmoid(-first) - F.logsigmoid(-second))
    return (here + there).mean(1)


def binary_sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / (p^(1/T) + (1 - p)^(1/T)): nearer to 0 or 1 the lower the temperature T > 0."""
    odds = full_precision(probabilities).logit(SMALLEST) / temperature
    return odds.sigmoid()
