"""What several methods minimise: each equation where its name says; all in float32.

Cross-entropy and soft Dice are those of docs/explanation/method.md, section 3. A voxel whose target
is IGNORE counts nowhere; where every voxel is ignored, each loss is 0, and so is its gradient. What
one method alone minimises lies with that method.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import IGNORE
from crln.losses.sums import class_sums

Over = Literal["batch", "sample"]

SMALLEST = 1e-6
"""Probabilities below this are raised to it under a logarithm, whose slope thus stays finite."""


FEW = 8
"""Up to so many classes the sums of Dice are plain ones; for more, see `crln.losses.sums`."""


def full_precision(values: Tensor) -> Tensor:
    """The values in float32; in float64 if that is how they came."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy over the valid voxels of the batch.

    Args:
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), int64, class or IGNORE.
    """
    return _negative_log_likelihood(full_precision(logits).log_softmax(1), target)


def voxel_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of each voxel, (B, X, Y, Z); 0 where it is ignored; arguments as above."""
    return F.cross_entropy(full_precision(logits), target, ignore_index=IGNORE, reduction="none")


def soft_dice_loss(
    logits: Tensor,
    target: Tensor,
    *,
    squared: bool = True,
    foreground: bool = True,
    over: Over = "batch",
    epsilon: float = 1e-5,
) -> Tensor:
    """1 - (2 sum p g + e) / (sum p^2 + sum g^2 + e), averaged over classes.

    The default is CRLN's, V-Net's (Milletari et al., 3DV 2016) but for the background.

    Args:
        logits: (B, K, X, Y, Z); p is their softmax.
        target: (B, X, Y, Z), int64, class or IGNORE; g is 1 where the class is.
        squared: the squares in the denominator, or plain sums.
        foreground: leave class 0 out of the mean.
        over: sums run over the whole batch, or over each sample, averaged after.
        epsilon: e.
    """
    log_probability = full_precision(logits).log_softmax(1)
    return _soft_dice(log_probability, target, None, squared, foreground, over, epsilon)


def segmentation_loss(
    logits: Tensor,
    target: Tensor,
    terms: Sequence[str] = ("dice_ce",),
    weights: Tensor | None = None,
) -> Tensor:
    """What a label teaches: seg(z, y) = 1/2 (cross-entropy + soft Dice), or the terms of a plan.

    Dice is squared and of the foreground.

    Args:
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), int64, class or IGNORE.
        terms: of `SHARES`, averaged.
        weights: (K,), a class's weight among voxels in cross-entropy and among classes in Dice.

    Examples:
        >>> logits, target = torch.zeros(1, 2, 4, 4, 4), torch.zeros(1, 4, 4, 4).long()
        >>> segmentation_loss(logits, target, ["cross_entropy"])
        tensor(0.6931)
    """
    log_probability = full_precision(logits).log_softmax(1)  # once for both
    weights = None if weights is None else weights.to(log_probability)
    return in_shares(
        terms,
        lambda: _negative_log_likelihood(log_probability, target, weights),
        lambda: _soft_dice(log_probability, target, weights),
    )


SHARES = {"dice_ce": (0.5, 0.5), "cross_entropy": (1.0, 0.0), "dice": (0.0, 1.0)}
"""What a term of a plan's loss is: shares of cross-entropy and of soft Dice."""


def in_shares(
    terms: Sequence[str], cross_entropy: Callable[[], Tensor], dice: Callable[[], Tensor]
) -> Tensor:
    """The mean of a plan's terms; a loss that has no share in them is not computed.

    Args:
        terms: of `SHARES`, at least one.
        cross_entropy: computes it.
        dice: computes soft Dice.
    """
    columns = zip(*(SHARES[name] for name in terms), strict=True)
    first, *more = (
        sum(column) / len(terms) * loss()
        for column, loss in zip(columns, (cross_entropy, dice), strict=True)
        if any(column)
    )
    return sum(more, first)


def _negative_log_likelihood(
    log_probability: Tensor, target: Tensor, weights: Tensor | None = None
) -> Tensor:
    total = F.nll_loss(log_probability, target, weights, ignore_index=IGNORE, reduction="sum")
    valid = target != IGNORE
    if weights is None:
        return total / valid.sum().clamp(min=1)
    return total / (weights[target.clamp(min=0)] * valid).sum().clamp(min=SMALLEST)


def _soft_dice(
    log_probability: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    squared: bool = True,
    foreground: bool = True,
    over: Over = "batch",
    epsilon: float = 1e-5,
) -> Tensor:
    first = int(foreground)
    if log_probability.shape[1] > FEW:
        sums = _many_sums(log_probability, target, squared, first)
        if over == "batch":
            sums = tuple(each.sum(0) for each in sums)
    else:
        sums = _few_sums(log_probability, target, squared, first, over)
    return dice_of(sums, weights, epsilon)


Sums = tuple[Tensor, ...]
"""Per class, or per sample and class: sum p g, sum p^2 or p, sum g."""


def dice_of(sums: Sums, weights: Tensor | None, epsilon: float) -> Tensor:
    """1 - (2 sum p g + e) / (sum p^2 + sum g^2 + e), averaged over classes.

    Args:
        sums: of all classes, or of all but the background.
        weights: (K,), a class's weight in the mean; None: all weigh the same.
        epsilon: e.
    """
    overlap, size, count = sums
    dice = (2 * overlap + epsilon) / (size + count + epsilon)
    if weights is None:
        return 1 - dice.mean()
    weights = weights[-dice.shape[-1] :]
    return 1 - (dice * weights).sum(-1).mean() / weights.sum()


def _many_sums(log_probability: Tensor, target: Tensor, squared: bool, first: int) -> Sums:
    """Of each sample, without maps of all classes."""
    overlap, size = class_sums(log_probability, target, squared)
    valid = target.flatten(1) != IGNORE
    count = torch.zeros_like(overlap).scatter_add_(
        1, target.flatten(1).clamp(min=0), valid.to(overlap.dtype)
    )
    return overlap[:, first:], size[:, first:], count[:, first:]


def _few_sums(
    log_probability: Tensor, target: Tensor, squared: bool, first: int, over: Over
) -> Sums:
    probability = log_probability[:, first:].exp()
    kinds = torch.arange(first, log_probability.shape[1], device=target.device)
    truth = target.unsqueeze(1) == kinds[:, None, None, None]  # false where ignored
    size = (probability.square() if squared else probability) * (target != IGNORE).unsqueeze(1)
    axes = (2, 3, 4) if over == "sample" else (0, 2, 3, 4)
    return (probability * truth).sum(axes), size.sum(axes), truth.sum(axes)


def consistency_loss(student: Tensor, teacher: Tensor, valid: Tensor) -> Tensor:
    """Mean over valid voxels and classes of (softmax(student) - softmax(teacher))^2.

    Args:
        student: logits (B, K, X, Y, Z).
        teacher: logits of the same shape; carries no gradient.
        valid: (B, X, Y, Z) bool, the voxels that count.
    """
    return mean_squared_difference(
        full_precision(student).softmax(1),
        full_precision(teacher.detach()).softmax(1),
        valid,
    )


def mean_squared_difference(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Mean over classes and the voxels of a mask of (p - q)^2; 0 where the mask is empty.

    Args:
        first: p, probabilities (B, K, X, Y, Z).
        second: q, of the same shape; carries a gradient too unless detached.
        mask: (B, X, Y, Z) bool.
    """
    difference = full_precision(first) - full_precision(second)
    total = (difference.square() * mask.unsqueeze(1)).sum()
    return total / (first.shape[1] * mask.sum().clamp(min=1))


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """p_k^(1/T) / sum_j p_j^(1/T): nearer to one class the lower the temperature T.

    Args:
        probabilities: (B, K, X, Y, Z).
        temperature: T > 0.
    """
    probabilities = full_precision(probabilities)
    largest = probabilities.amax(1, keepdim=True).detach()  # cancels; keeps powers from vanishing
    power = (probabilities / largest) ** (1 / temperature)
    return power / power.sum(1, keepdim=True)


def entropy(probabilities: Tensor) -> Tensor:
    """-sum_k p_k log p_k in nats, (B, K, X, Y, Z) -> (B, X, Y, Z)."""
    probabilities = full_precision(probabilities)
    return -(probabilities * probabilities.clamp(min=SMALLEST).log()).sum(1)
