"""One batch, several processes: each computes its own rows of it, and all see every row's result.

Images and logits are those of the whole batch in every process; what lies between them are a
process's own rows. So views, pseudo-labels and losses are written as if there were one process, and
all processes compute the same ones, with the same random draws. `distribute` prepares a method for
it once: each of its networks that is `Patchwise` takes its rows where a batch enters it and gives
all where they leave it; what a batch norm or a channel dropout draws from the whole batch is in
`crln.parallel.layers`. Any other network computes the whole batch in every process: slower, and as
right.

Gradients: the losses are the same in every process, and so is the gradient of what `all_rows` and
`all_sum` give. Processes average the gradients of their parameters. A parameter behind these
functions has seen own rows only, so the gradient that goes back through them is multiplied by the
number of processes; then the average of parts is their sum, and one of equals is each.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from crln.networks import Patchwise
from crln.parallel.layers import SharedBatchNorm, SharedDropout

SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm3d: SharedBatchNorm,
    nn.Dropout3d: SharedDropout,
}
"""What sees the whole batch, for what sees the rows that it is given."""


@dataclass(frozen=True)
class Share:
    """This process's part of each batch: the `rank`-th of `world` equal ones."""

    rank: int
    world: int

    def own_rows(self, batch: Tensor) -> Tensor:
        """This process's part of (B, ...): B must be a multiple of the number of processes."""
        return batch.chunk(self.world)[self.rank]

    def all_rows(self, rows: Tensor) -> Tensor:
        """The rows of every process, in order: (b, ...) -> (B, ...)."""
        whole: Tensor = _AllRows.apply(rows, self.rank, self.world)
        return whole

    def all_sum(self, part: Tensor) -> Tensor:
        """The sum of every process's `part`."""
        total: Tensor = _AllSum.apply(part, self.world)
        return total

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its mean over the processes.

        `DistributedDataParallel` would do it while the backward pass still runs, and complain of
        the layout of 1x1x1 filters and of parameters that an ablation leaves out.
        """
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        means = (flat / self.world).split([gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))


def distribute(method: nn.Module, rank: int, world: int) -> Share:
    """Has the patchwise networks within a method compute their own rows while it trains.

    As `nn.SyncBatchNorm.convert_sync_batchnorm` it converts what is there: names, parameters and
    copies already made stay. In evaluation mode the method's networks compute all they are given.

    Args:
        method: owns the networks; its train mode decides for all of them.
        rank: of this process.
        world: how many processes share each batch.
    """
    share = Share(rank, world)
    for network in filter(_divisible, _outermost(method)):
        for module in network.modules():
            _synchronise(module, world, rank)
        for part in _named(network, network.entries):
            part.register_forward_pre_hook(
                lambda _, given: (share.own_rows(given[0]),) if method.training else None
            )
        for part in _named(network, network.exits):
            part.register_forward_hook(
                lambda _, given, rows: share.all_rows(rows) if method.training else None
            )
        for part in _named(network, network.lookups):
            part.register_forward_pre_hook(
                lambda _, given: _in_own_rows(share, *given) if method.training else None
            )
            part.register_forward_hook(
                lambda _, given, found: share.all_sum(found) if method.training else None
            )
    return share


def _outermost(owner: nn.Module) -> Iterator[Patchwise]:
    for child in owner.children():
        if isinstance(child, Patchwise):
            yield child
        else:
            yield from _outermost(child)


def _named(network: nn.Module, names: Sequence[str]) -> Iterator[nn.Module]:
    for name in names:
        module = network.get_submodule(name)
        yield from module if isinstance(module, nn.ModuleList) else [module]


def _divisible(network: Patchwise) -> bool:
    """Whether all that looks at, or draws for, a whole batch has a shared form.

    A backbone of another package may hold norms or dropouts of its own.
    """
    parts = [*_named(network, network.entries), *_named(network, network.exits)]
    kinds = {type(module) for part in parts for module in part.modules()}
    return all(kind in SHARED for kind in kinds if issubclass(kind, _BatchNorm | _DropoutNd))


def _synchronise(module: nn.Module, world: int, rank: int) -> None:
    """Gives a norm or a dropout the class that sees the whole batch; its weights stay."""
    if type(module) in SHARED:
        module.__class__ = SHARED[type(module)]
        module.rank, module.world = rank, world  # type: ignore[assignment]


def _in_own_rows(
    share: Share, maps: Sequence[Tensor], voxels: Sequence[Tensor]
) -> tuple[Sequence[Tensor], list[Tensor]]:
    """Indices into whole batches as indices into this process's rows; other rows' are in none."""
    firsts = (share.rank * len(rows) * rows[0, 0].numel() for rows in maps)
    return maps, [where - first for where, first in zip(voxels, firsts, strict=True)]


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
