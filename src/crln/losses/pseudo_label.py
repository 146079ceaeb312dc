"""The loss on unlabelled patches: L_u of method.md section 3."""

import torch.nn.functional as F
from torch import Tensor

from crln.labels import IGNORE
from crln.losses.precision import full_precision


def pseudo_label_loss(
    logits: Tensor, pseudo: Tensor, confidence: Tensor, threshold: float = 0.97
) -> Tensor:
    """Mean cross-entropy of each image, weighted by its share of confident voxels.

    L_u = 1/B sum_b [share of valid voxels of b with confidence >= threshold]
    * [mean over valid voxels of b of CE(student, pseudo-label)]; 0 where no voxel is valid.

    Args:
        logits: (B, K, X, Y, Z), the student's.
        pseudo: (B, X, Y, Z), int64, class or IGNORE.
        confidence: (B, X, Y, Z), the teacher's largest probability.
        threshold: what counts as confident.
    """
    axes = (1, 2, 3)
    valid = pseudo != IGNORE
    count = valid.sum(axes).clamp(min=1)
    voxel = F.cross_entropy(full_precision(logits), pseudo, ignore_index=IGNORE, reduction="none")
    share = ((confidence >= threshold) & valid).sum(axes) / count
    return (share * voxel.sum(axes) / count).mean()
