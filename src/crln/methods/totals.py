"""The terms of a step and their total, which is minimised."""

import torch
from torch import Tensor


def weighted(supervised: Tensor, weight: float, **terms: Tensor) -> dict[str, Tensor]:
    """The terms of a step, the total being `supervised` + `weight` times the sum of the others."""
    total = supervised + weight * torch.stack(list(terms.values())).sum()
    return {"total": total, "supervised": supervised, **terms}


def summed(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """The terms of a step, the total being their sum."""
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def unheard(supervised: Tensor, *names: str) -> dict[str, Tensor]:
    """The terms of a step where labels alone teach: the others are 0."""
    return weighted(supervised, 0.0, **dict.fromkeys(names, torch.zeros_like(supervised)))
