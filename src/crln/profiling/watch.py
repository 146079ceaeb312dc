"""Watches a method at work without a line in it: the calls of its own objects are timed."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from crln.methods import Method
from crln.profiling.clock import Clock

Call = tuple[str, object, str]
"""A part, an object, and the name of the object's method that counts to the part."""


@contextmanager
def watched(method: Method, clock: Clock, calls: Iterable[Call]) -> Iterator[None]:
    """Within, `calls`, the method's views and its networks are counted to parts of the clock.

    A network's parts are its own modules ("student, backbone"); a module within one of these that
    is called by itself counts to whoever calls it.
    """
    draw = method.views.draw

    def timed(kind: Any, *given: Any, **named: Any) -> Any:
        part = clock.part(f"{kind} view")
        view = part(draw)(kind, *given, **named)
        return SimpleNamespace(
            images=part(view.images), labels=part(view.labels), maps=part(view.maps)
        )

    with ExitStack() as stack:
        stack.enter_context(patch.object(method.views, "draw", timed))
        for part, owner, name in (*calls, *_networks(method)):
            call = clock.part(part)(getattr(owner, name))
            stack.enter_context(patch.object(owner, name, call))
        yield


def _networks(method: Method) -> Iterator[Call]:
    for path, module in method.named_modules():
        # Places in a list name nothing, nor does what a wrapper calls its network.
        names = [name for name in path.split(".") if not name.isdigit() and name != "network"]
        if path and len(names) <= 2:
            yield ", ".join(names).replace("_", " "), module, "forward"
