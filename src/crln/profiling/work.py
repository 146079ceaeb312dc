"""How much a call computes and moves, and how fast a device does either."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from crln.profiling.clock import repeat


@dataclass(frozen=True)
class Work:
    """What a call does.

    Attributes:
        flops: floating-point operations of convolutions and matrix products; a multiply-add is 2.
        bytes: that every operation reads and writes, as if none found its input in a cache.
    """

    flops: int
    bytes: int


@dataclass(frozen=True)
class Rates:
    """What a device does per second, in float32.

    Attributes:
        flops: floating-point operations of a large matrix product.
        bytes: read and written by a large copy.
    """

    flops: float
    bytes: float


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write; a view moves none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            touched = tree_leaves((args, kwargs, result))
            self.bytes += sum(
                t.numel() * t.element_size() for t in touched if isinstance(t, Tensor)
            )
        return result


def count_work(call: Callable[[], object]) -> Work:
    """The work of one call."""
    with FlopCounterMode(display=False) as counter, _Traffic() as traffic:
        call()
    return Work(counter.get_total_flops(), traffic.bytes)


def device_rates(device: torch.device | str = "cpu") -> Rates:
    """Measures a device: a second or two on a processor."""
    device = torch.device(device)
    side = 8192 if device.type == "cuda" else 2048
    factor = torch.rand(side, side, device=device)
    product = torch.empty_like(factor)
    source = torch.rand(2**26, device=device)  # 256 MiB: more than any cache holds
    target = torch.empty_like(source)

    def seconds(call: Callable[[], object]) -> float:
        def run() -> None:
            call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return repeat(run, 5).median

    multiplying = seconds(lambda: torch.mm(factor, factor, out=product))
    copying = seconds(lambda: target.copy_(source))
    return Rates(2 * side**3 / multiplying, 2 * source.numel() * source.element_size() / copying)
