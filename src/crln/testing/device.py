"""A device that refuses what would make a GPU wait for the host, on a machine without one.

Its tensors report another device (torch's "meta") but hold their values, so that a step runs as it
is and its losses can be compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

READS = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "bincount", "unique2",
    "_unique2", "unique_dim", "unique_consecutive", "repeat_interleave", "histc",
}  # fmt: skip
COPIES = {"_to_copy", "copy_", "copy", "_pin_memory"}


class OnDevice(torch.Tensor):
    """A tensor that says it is elsewhere."""

    held: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnDevice":
        """A stand-in that holds `values`."""
        wrapped: OnDevice = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, values.size(), strides=values.stride(), storage_offset=values.storage_offset(),
            dtype=values.dtype, device=torch.device("meta"),
        )  # fmt: skip
        wrapped.held = values
        return wrapped

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """No operator is known but within `device`."""
        raise AssertionError(f"{func} outside of the device")


class WaitError(AssertionError):
    """The step did what makes a GPU wait."""


class Device(TorchDispatchMode):
    """Computes what involves an `OnDevice` tensor; refuses what needs its values on the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operator."""
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        ours = [t for t in tensors if isinstance(t, OnDevice)]
        target = kwargs.get("device")
        here = target is not None and torch.device(target).type == "meta"
        if not ours and not here:
            return func(*args, **kwargs)
        self.refuse(func.overloadpacket.__name__, args, tensors, ours, target)
        if target is not None:
            kwargs["device"] = "cpu"
        owner = {id(t.held): t for t in ours}
        result = func(*tree_map_only(OnDevice, lambda t: t.held, args),
                      **tree_map_only(OnDevice, lambda t: t.held, kwargs))  # fmt: skip
        # What works in place returns the tensor that it was given.
        return tree_map_only(
            Tensor, lambda t: owner[id(t)] if id(t) in owner else OnDevice(t), result
        )

    @staticmethod
    def refuse(
        name: str, args: Any, tensors: list[Tensor], ours: list[OnDevice], target: Any
    ) -> None:
        """Raises WaitError where the operator would make a GPU wait."""
        if name in READS and ours:
            raise WaitError(f"{name}: the host reads values of the device")
        if name in ("index", "index_put_", "index_put") and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        ):
            raise WaitError(f"{name}: indexing by a mask waits for its count")
        leaves = target is not None and torch.device(target).type != "meta"
        enters = any(not isinstance(t, OnDevice) and t.ndim for t in tensors)
        if leaves or enters or (name in COPIES and len(ours) < len(tensors)):
            raise WaitError(f"{name}: a copy between host and device")


@contextmanager
def device() -> Iterator[None]:
    """Within, "meta" computes; its generators are the processor's, its autocast too."""
    generator, autocast = torch.Generator, torch.autocast
    with (
        patch.object(torch, "Generator", lambda device="cpu": generator()),
        patch.object(torch, "autocast", lambda kind, *a, **k: autocast("cpu", *a, **k)),
        Device(),
    ):
        yield


def to_device(module: nn.Module) -> None:
    """Moves parameters and buffers, in place."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = OnDevice(parameter.detach().clone())
                part._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = OnDevice(buffer.clone())
