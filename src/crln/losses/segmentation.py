"""Cross-entropy and soft Dice (method.md section 3), blind to voxels whose target is IGNORE.

Where every voxel is ignored, each loss is 0, and so is its gradient.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from crln.labels import IGNORE
from crln.losses.precision import full_precision

Over = Literal["batch", "sample"]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy over the valid voxels of the batch.

    Args:
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), int64, class or IGNORE.
    """
    return _negative_log_likelihood(full_precision(logits).log_softmax(1), target)


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
    return _soft_dice(log_probability, target, squared, foreground, over, epsilon)


def segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """seg(z, y) = 1/2 (cross-entropy + soft Dice), Dice squared and of the foreground.

    Args:
        logits: (B, K, X, Y, Z).
        target: (B, X, Y, Z), int64, class or IGNORE.
    """
    log_probability = full_precision(logits).log_softmax(1)  # once for both terms
    dice = _soft_dice(log_probability, target)
    return 0.5 * (_negative_log_likelihood(log_probability, target) + dice)


def _negative_log_likelihood(log_probability: Tensor, target: Tensor) -> Tensor:
    total = F.nll_loss(log_probability, target, ignore_index=IGNORE, reduction="sum")
    return total / (target != IGNORE).sum().clamp(min=1)


def _soft_dice(
    log_probability: Tensor,
    target: Tensor,
    squared: bool = True,
    foreground: bool = True,
    over: Over = "batch",
    epsilon: float = 1e-5,
) -> Tensor:
    first = int(foreground)
    probability = log_probability[:, first:].exp()
    kinds = torch.arange(first, log_probability.shape[1], device=target.device)
    truth = target.unsqueeze(1) == kinds[:, None, None, None]  # false where ignored
    size = (probability.square() if squared else probability) * (target != IGNORE).unsqueeze(1)
    axes = (2, 3, 4) if over == "sample" else (0, 2, 3, 4)
    overlap = 2 * (probability * truth).sum(axes)
    dice = (overlap + epsilon) / (size.sum(axes) + truth.sum(axes) + epsilon)
    return 1 - dice.mean()
