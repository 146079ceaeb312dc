"""One batch, several processes: each computes its own rows of it, and all see every row's result.

Images and logits are those of the whole batch in every process; what lies between them are a
process's own rows. So views, pseudo-labels and losses are written as if there were one process, and
all processes compute the same ones, with the same random draws. A network takes its rows where a
batch enters it (`own_rows`) and gives all where they leave it (`all_rows`); what a batch norm or a
channel dropout draws from the whole batch is in `crln.parallel.layers`. A network that knows
nothing of this computes the whole batch in every process: slower, and as right.

Outside `shared_rows`, and with one process, every function here returns what it is given.

Gradients: the losses are the same in every process, and so is the gradient of what `all_rows` and
`all_sum` give. Processes average the gradients of their parameters
(`average_gradients`). A parameter behind these
functions has seen own rows only, so the gradient that goes back through them is multiplied by the
number of processes; then the average of parts is their sum, and one of equals is each.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass
class _Share:
    """Which process this is, of how many that share a batch."""

    rank: int = 0
    world: int = 1


_share = _Share()


@contextmanager
def shared_rows(rank: int, world: int) -> Iterator[None]:
    """Within, this process is the `rank`-th of `world` that share each batch."""
    before = _share.rank, _share.world
    _share.rank, _share.world = rank, world
    try:
        yield
    finally:
        _share.rank, _share.world = before


def sharers() -> int:
    """How many processes share a batch here."""
    return _share.world


def own_rows(batch: Tensor) -> Tensor:
    """This process's part of (B, ...): B must be a multiple of the number of processes."""
    return batch if _share.world == 1 else batch.chunk(_share.world)[_share.rank]


def all_rows(rows: Tensor) -> Tensor:
    """The rows of every process, in order: (b, ...) -> (B, ...)."""
    whole: Tensor = rows if _share.world == 1 else _AllRows.apply(rows, _share.rank, _share.world)
    return whole


def all_sum(part: Tensor) -> Tensor:
    """The sum of every process's `part`."""
    total: Tensor = part if _share.world == 1 else _AllSum.apply(part, _share.world)
    return total


def interleave(first: Tensor, second: Tensor) -> Tensor:
    """Two batches as one, of which each process's own rows hold as large a part of either.

    (n, ...) and (m, ...) -> (n + m, ...): x0 x1 and u0 u1 u2 u3 become x0 u0 u1 x1 u2 u3.
    """
    groups = gcd(len(first), len(second))
    pairs = zip(first.chunk(groups), second.chunk(groups), strict=True)
    return torch.cat([part for pair in pairs for part in pair])


def separate(rows: Tensor, first: int, second: int) -> tuple[Tensor, Tensor]:
    """The rows of either batch among those that `interleave` made of `first` and `second` rows.

    Takes whole batches and a process's own rows alike.
    """
    groups = gcd(first, second)
    here = groups * len(rows) // (first + second)
    parts = rows.split([first // groups, second // groups] * here)
    return torch.cat(parts[::2]), torch.cat(parts[1::2])


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces each gradient by its mean over the processes.

    `DistributedDataParallel` would do it while the backward pass still runs, and complain of the
    layout of 1x1x1 filters and of parameters that an ablation leaves out.
    """
    if _share.world == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    means = (flat / _share.world).split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def first_row(rows: Tensor) -> int:
    """Where in the whole batch this process's `rows` begin."""
    return _share.rank * len(rows)


class _AllRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, rank: int, world: int) -> Tensor:
        ctx.rank, ctx.world = rank, world
        volumes = rows.ndim == 5  # channels-last, as feature maps lie: sent without a copy
        plain = (rows.movedim(1, -1) if volumes else rows).contiguous()
        whole = plain.new_empty(world * len(plain), *plain.shape[1:])
        dist.all_gather(list(whole.chunk(world)), plain)
        return whole.movedim(-1, 1) if volumes else whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.world * gradient.chunk(ctx.world)[ctx.rank], None, None


class _AllSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, world: int) -> Tensor:
        ctx.world = world
        total = part.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.world * gradient, None
