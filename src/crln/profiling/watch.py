"""Watches a method at work without a line in it: who calls what is known from outside."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any

from torch import nn

from crln.augmentation import View
from crln.methods import Method
from crln.methods.crln.dim import DynamicInteractionModule
from crln.methods.crln.projection import ProjectionHead
from crln.profiling.clock import Clock


class _TimedView:
    """A drawn view, each call counted to its kind."""

    def __init__(self, view: View, part: str, clock: Clock) -> None:
        for name in ("images", "labels", "maps"):
            setattr(self, name, clock.timed(part, getattr(view, name)))


class _TimedViews:
    """A method's views; what they draw is counted when it is applied."""

    def __init__(self, views: Any, clock: Clock) -> None:
        self._views, self._clock = views, clock

    def draw(self, kind: str, *given: Any) -> _TimedView:
        return _TimedView(self._views.draw(kind, *given), f"{kind} view", self._clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)


@contextmanager
def watched(method: Method, clock: Clock) -> Iterator[None]:
    """Within, the method's views, networks and losses are counted to parts of the clock.

    Networks count to the method's attribute that holds them ("student", "teacher"), the Dynamic
    Interaction Module to a part of its own; losses to their function's name.
    """
    views = method.views
    with ExitStack() as stack:
        stack.callback(setattr, method, "views", views)
        method.views = _TimedViews(views, clock)  # type: ignore[assignment]
        for name, network in method.named_children():
            _watch_network(name, network, clock, stack)
        for module in (sys.modules[type(method).__module__], sys.modules[Method.__module__]):
            for name, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value.__module__.startswith("crln.losses"):
                    stack.callback(setattr, module, name, value)
                    setattr(module, name, clock.timed(name.replace("_", " "), value))
        yield


def _watch_network(name: str, network: nn.Module, clock: Clock, stack: ExitStack) -> None:
    """Every module of the network counts to `name`: a method may call any of them."""
    relation, embedding = (
        {
            part
            for module in network.modules()
            if isinstance(module, kind)
            for part in module.modules()
        }
        for kind in (DynamicInteractionModule, ProjectionHead)
    )
    for module in network.modules():
        if module in embedding:
            continue  # called within a loss, and counted there
        part = f"{name}, relation map" if module in relation else name
        before = module.register_forward_pre_hook(lambda *_, part=part: clock.begin(part))
        after = module.register_forward_hook(lambda *_: clock.end(), always_call=True)
        stack.callback(before.remove)
        stack.callback(after.remove)
