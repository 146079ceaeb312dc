"""The sums of soft Dice over many classes, without maps of all classes in between."""

from typing import Any

import torch
from torch import Tensor

from crln.labels import IGNORE


def class_sums(log_probability: Tensor, target: Tensor, squared: bool) -> tuple[Tensor, Tensor]:
    """Each sample's sum p_k over the voxels of class k, and its sum p_k^2 over all valid ones.

    Plain sums keep four maps of all classes for the gradient, three times in a step of CRLN. Here
    one sample at a time is exponentiated, in either direction, and a voxel's own class is looked
    up.

    Args:
        log_probability: log p, (B, K, X, Y, Z).
        target: (B, X, Y, Z), int64, class or IGNORE.
        squared: sum p_k^2, or p_k.

    Returns:
        Two tensors (B, K).
    """
    overlap, size = _ClassSums.apply(log_probability, target, squared)
    return overlap, size


class _ClassSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, log_probability: Tensor, target: Tensor, squared: bool
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(log_probability, target)
        ctx.squared = squared
        overlap = log_probability.new_zeros(log_probability.shape[:2])
        size = torch.empty_like(overlap)
        for sample, (each, labels) in enumerate(zip(log_probability, target, strict=True)):
            probability, place, valid = _flat(each, labels)
            own = probability.gather(0, place)[0] * valid
            overlap[sample].scatter_add_(0, place[0], own)
            size[sample] = (probability.square_() if squared else probability) @ valid
        return overlap, size

    @staticmethod
    def backward(ctx: Any, of_overlap: Tensor, of_size: Tensor) -> tuple[Tensor, None, None]:
        log_probability, target = ctx.saved_tensors
        gradient = torch.empty_like(log_probability)
        for sample, (each, labels) in enumerate(zip(log_probability, target, strict=True)):
            probability, place, valid = _flat(each, labels)
            own = probability.gather(0, place) * of_overlap[sample][place] * valid
            if ctx.squared:  # d p^2 / d log p = 2 p^2
                probability.square_().mul_(2)
            probability.mul_(of_size[sample][:, None]).mul_(valid).scatter_add_(0, place, own)
            gradient[sample] = probability.view(each.shape)
        return gradient, None, None


def _flat(log_probability: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of one sample: p (K, V), each voxel's class (1, V), 0 where ignored, and 1 where valid."""
    valid = (labels != IGNORE).flatten().to(log_probability.dtype)
    return log_probability.flatten(1).exp(), labels.clamp(min=0).view(1, -1), valid
