"""Layers that look at, or draw for, a whole batch of which a process has only its own rows."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class SharedBatchNorm(nn.BatchNorm3d):
    """Batch norm over the rows of all processes; in evaluation mode, torch's own.

    `nn.SyncBatchNorm` does the same on GPUs only.

    Attributes:
        rank: of this process.
        world: how many share a batch.
    """

    rank: int
    world: int
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, features: Tensor) -> Tensor:
        """(b, C, X, Y, Z) -> the same shape."""
        if not self.training:
            return super().forward(features)
        result: Tensor
        result, mean, variance = _Normalise.apply(
            features, self.weight, self.bias, self.eps, self.world
        )
        count = self.world * features[:, 0].numel()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        self.num_batches_tracked.add_(1)
        return result


class SharedDropout(nn.Dropout3d):
    """Dropout of whole channels, drawn for the rows of all processes as one process draws it.

    Attributes:
        rank: of this process.
        world: how many share a batch.
    """

    rank: int
    world: int

    def forward(self, features: Tensor) -> Tensor:
        """(b, C, X, Y, Z) -> the same shape."""
        if not self.training:
            return super().forward(features)
        rows, channels = features.shape[:2]
        kept = F.dropout3d(features.new_ones(self.world * rows, channels, 1, 1, 1), self.p)
        return features * kept.chunk(self.world)[self.rank]


class _Normalise(torch.autograd.Function):
    """Batch norm in train mode by torch's kernels for evaluation mode, and what those leave out."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, epsilon: float, world: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.stack(torch.batch_norm_update_stats(features, None, None, 0.0)).to(weight)
        every = own.new_empty(world, *own.shape)
        dist.all_gather(list(every.unbind()), own)
        means, variances = every.unbind(1)  # (world, C)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        ctx.save_for_backward(features, weight, mean, variance)
        ctx.epsilon, ctx.world = epsilon, world
        ctx.mark_non_differentiable(mean, variance)
        normal = F.batch_norm(features, mean, variance, weight, bias, eps=epsilon)
        return normal, mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        features, weight, mean, variance = ctx.saved_tensors
        direct, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, features, weight, mean, variance, None, None, False, ctx.epsilon, [True] * 3
        )
        # The statistics depend on every row of every process.
        summed = torch.stack([of_weight, of_bias])
        dist.all_reduce(summed)
        through_spread, through_mean = summed / (ctx.world * features[:, 0].numel())
        scale = (variance + ctx.epsilon).rsqrt()
        slope = weight * scale.square() * through_spread
        offset = weight * scale * through_mean - slope * mean
        shape = (-1, 1, 1, 1)
        indirect = torch.addcmul(
            offset.view(shape).to(features.dtype), features, slope.view(shape).to(features.dtype)
        )
        return direct - indirect, of_weight, of_bias, None, None
