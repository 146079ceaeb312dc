"""A step of every method on a device that refuses what would make a GPU wait for the host.

`Device` stands in for a GPU on a machine without one: its tensors report another device (torch's
"meta") but hold their values, so that a step runs as it is and its losses can be compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from crln.labels import IGNORE
from crln.methods import METHODS, Batch, Method, Step, build_method
from crln.planning import Plan
from crln.training.optimiser import build_optimiser

pytestmark = pytest.mark.slow

READS = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "bincount", "unique2",
    "_unique2", "unique_dim", "unique_consecutive", "repeat_interleave", "histc",
}  # fmt: skip
COPIES = {"_to_copy", "copy_", "copy", "_pin_memory"}
STEP = Step(index=3, total=4, seed=0)


class OnDevice(torch.Tensor):
    """A tensor that says it is elsewhere."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnDevice":
        wrapped: OnDevice = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, values.size(), strides=values.stride(), storage_offset=values.storage_offset(),
            dtype=values.dtype, device="meta",
        )  # fmt: skip
        wrapped.values = values
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the device")


class WaitError(AssertionError):
    """The step did what makes a GPU wait."""


class Device(TorchDispatchMode):
    """Computes what involves an `OnDevice` tensor; refuses what needs its values on the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
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
        owner = {id(t.values): t for t in ours}
        result = func(*tree_map_only(OnDevice, lambda t: t.values, args),
                      **tree_map_only(OnDevice, lambda t: t.values, kwargs))  # fmt: skip
        # What works in place returns the tensor that it was given.
        return tree_map_only(
            Tensor, lambda t: owner[id(t)] if id(t) in owner else OnDevice(t), result
        )

    @staticmethod
    def refuse(
        name: str, args: Any, tensors: list[Tensor], ours: list[OnDevice], target: Any
    ) -> None:
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "Generator", lambda device="cpu": generator())
        patch.setattr(torch, "autocast", lambda kind, *a, **k: autocast("cpu", *a, **k))
        with Device():
            yield


def to_device(module: nn.Module) -> None:
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                moved = OnDevice(parameter.detach().clone())
                part._parameters[name] = nn.Parameter(moved, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = OnDevice(buffer.clone())


def batches(method: Method) -> list[Batch]:
    result = []
    for seed in range(1 + method.uses_unlabelled):
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(2, 1, *method.read_size, generator=generator)
        labels = (images[:, 0] > 0.5).long()
        labels[:, :2] = IGNORE
        inside = labels != IGNORE
        result.append(Batch(images, labels if seed == 0 else labels.fill_(IGNORE), inside))
    return result


def step(method: Method, patches: list[Batch]) -> dict[str, Tensor]:
    """What the loop does between two batches."""
    optimiser = build_optimiser(method, method.plan.training)
    torch.manual_seed(0)
    losses = method.losses(*(*patches, None)[:2], STEP)
    losses["total"].backward()
    optimiser.step()
    optimiser.zero_grad()
    method.update(STEP)
    return losses


def build(name: str, plan: Plan, **changes: Any) -> Method:
    torch.manual_seed(0)
    return build_method(name, plan.updated(changes))


@pytest.mark.parametrize("views", ["paper", "rich"])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_step_waits_for_the_device(name: str, views: str, tiny_plan: Plan) -> None:
    # Its components are labelled on the host, as published: the one wait that an option brings.
    changes = {"views": {"kind": views}, "options": {"bcp": {"largest_component": False}}}
    method = build(name, tiny_plan, **changes)
    patches = batches(method)
    expected = step(build(name, tiny_plan, **changes), patches)
    with device():
        to_device(method)
        losses = step(method, [Batch(*map(OnDevice, batch)) for batch in patches])
    for term, loss in losses.items():
        torch.testing.assert_close(loss.values, expected[term].detach(), msg=term)


def test_both_turns_of_the_alternating_teachers_pass(tiny_plan: Plan) -> None:
    """Each turn makes its own view; the step above is one of them."""
    method = build("ad_mt", tiny_plan)
    turns = {method._turn(Step(i, 99, 0)): i for i in range(99)}  # type: ignore[operator]
    patches = batches(method)
    with device():
        to_device(method)
        on_device = [Batch(*map(OnDevice, batch)) for batch in patches]
        for index in turns.values():
            method.losses(*on_device, Step(index, 99, 0))
    assert turns.keys() == {0, 1}


def test_components_of_pseudo_labels_are_the_one_wait(tiny_plan: Plan) -> None:
    method = build("bcp", tiny_plan)
    patches = batches(method)
    with device():
        to_device(method)
        on_device = [Batch(*map(OnDevice, batch)) for batch in patches]
        with pytest.raises(WaitError, match="a copy between host and device"):
            method.losses(*on_device, STEP)


@pytest.mark.parametrize(
    "wait",
    [
        lambda t: t.sum().item(),
        lambda t: bool(t.any()),
        lambda t: t.cpu(),
        lambda t: t[t > 0],
        lambda t: t.masked_select(t > 0),
        lambda t: t.index_put_((t > 0,), t[0, 0]),
        lambda t: (t > 0).nonzero(),
        lambda t: t.unique(),
        lambda t: t + torch.ones(2),
        lambda t: torch.ones(2).to(t.device),
        lambda t: t[torch.tensor([0, 1])],
        lambda t: t[0].copy_(torch.ones(2)),
        lambda t: torch.ones(2, 2).copy_(t),
    ],
)
def test_the_guard_guards(wait: Any) -> None:
    with device(), pytest.raises(WaitError):
        wait(OnDevice(torch.ones(2, 2)))
