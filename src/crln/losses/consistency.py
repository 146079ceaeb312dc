"""Agreement between predictions of the same voxels, and how sure a prediction is."""

from torch import Tensor

from crln.labels import IGNORE
from crln.losses.precision import full_precision

SMALLEST = 1e-6
"""Probabilities below this are raised to it under a logarithm, whose slope thus stays finite."""


def consistency_loss(
    student: Tensor, teacher: Tensor, inside: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean over valid voxels and classes of (softmax(student) - softmax(teacher))^2.

    Args:
        student: logits (B, K, X, Y, Z).
        teacher: logits of the same shape; carries no gradient.
        inside: (B, X, Y, Z); IGNORE: not valid.
        mask: (B, X, Y, Z) bool; false: not valid either.
    """
    valid = inside != IGNORE
    return mean_squared_difference(
        full_precision(student).softmax(1),
        full_precision(teacher.detach()).softmax(1),
        valid if mask is None else valid & mask,
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
