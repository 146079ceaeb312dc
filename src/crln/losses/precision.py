"""Losses are sums over millions of voxels: no less than 32 bits, whatever the network runs in."""

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """The values in float32; in float64 if that is how they came."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
