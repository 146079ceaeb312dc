"""torch.compile of the networks that a method owns, whatever they are.

A module with `one_graph` is compiled as a whole: methods call it, and nothing within it leads back
to Python. Heads are a single product and stay as they are. So does DiffRect's rectifier: its many
small parts would reach the number of variants (`recompile_limit`) past which nothing is compiled.
"""

from collections.abc import Iterator

from torch import nn


def compile_networks(owner: nn.Module, backend: str = "inductor") -> None:
    """Compiles the networks within `owner` in place; names of weights and copies stay as they are.

    The first step then takes a minute or more. Results differ by rounding: dropout draws what it
    would have drawn. With several processes a graph ends wherever processes exchange statistics.

    Args:
        owner: a method, or any module.
        backend: of `torch.compile`.
    """
    options = {"fallback_random": True} if backend == "inductor" else None
    for network in _outermost(owner):
        network.compile(dynamic=False, backend=backend, options=options)


def _outermost(owner: nn.Module) -> Iterator[nn.Module]:
    for child in owner.children():
        if getattr(child, "one_graph", False):
            yield child
        else:
            yield from _outermost(child)
