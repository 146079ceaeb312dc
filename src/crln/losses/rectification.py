"""What DiffRect (Liu et al., MICCAI 2024) minimises besides cross-entropy and Dice."""

import math

import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses.consistency import entropy
from crln.losses.precision import full_precision

SMALLEST = 1e-6


def complementary_loss(logits: Tensor, absent: Tensor) -> Tensor:
    """What is least likely must not be: s * mean over valid voxels of -log(1 - p_absent).

    s = 1 - mean H(p) / log K over the same voxels, how sure p is; it carries no gradient.

    Args:
        logits: (B, K, X, Y, Z); p is their softmax.
        absent: (B, X, Y, Z), int64, the least likely class or IGNORE.
    """
    probability = full_precision(logits).softmax(1)
    valid = absent != IGNORE
    count = valid.sum().clamp(min=1)
    there = probability.gather(1, absent.clamp(min=0).unsqueeze(1)).squeeze(1)
    denial = -torch.log1p(-there.clamp(max=1 - SMALLEST))
    disorder = (entropy(probability.detach()) * valid).sum() / count
    sureness = 1 - disorder / math.log(logits.shape[1])
    return sureness * (denial * valid).sum() / count


def label_distance(labels: Tensor, target: Tensor, classes: int, epsilon: float = 1e-5) -> Tensor:
    """Mean over classes of 1 - (2 |A n B| + e) / (|A| + |B| + e), 0 (alike) to 1; no gradient.

    Args:
        labels: A, (B, X, Y, Z), int64, class or IGNORE (of no class).
        target: B, of the same shape; where it is IGNORE, no voxel counts.
        classes: K, background included.
        epsilon: e.
    """
    valid = target != IGNORE
    losses = []
    for k in range(classes):
        ours, theirs = (labels == k) & valid, target == k
        size = ours.sum() + theirs.sum()
        losses.append(1 - (2 * (ours & theirs).sum() + epsilon) / (size + epsilon))
    return torch.stack(losses).mean()
