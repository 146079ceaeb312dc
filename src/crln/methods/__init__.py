"""Ways of learning: a file or a package each, found by name."""

from typing import Any

from crln.augmentation import views_options
from crln.errors import CrlnError
from crln.methods.base import Batch, Method, Seen, SemiSupervised, Step
from crln.methods.beside import DenoisingBeside
from crln.methods.published import Published
from crln.methods.ramps import Ramped
from crln.methods.teacher import Teacher
from crln.methods.totals import summed, unheard, weighted
from crln.planning import Plan
from crln.planning.plan import LossPlan, Section, options_of
from crln.registry import METHODS, NETWORKS


def find_method(name: str) -> type[Method]:
    """The class of a method; CrlnError where there is none of that name."""
    kind = METHODS[name]
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise CrlnError(f"method {name!r} of its package is no crln.methods.Method: {kind!r}")
    return kind


def build_method(name: str, plan: Plan) -> Method:
    """The method `name` with the plan's options for it.

    Raises:
        CrlnError: no such method, an option that it does not have, or a loss or overlapping classes
            that it does not take.
    """
    kind = find_method(name)
    if kind.own_loss and plan.loss.model_copy(update={"terms": plan.loss.overlap}) != LossPlan():
        raise CrlnError(
            f"plan: loss: {name} teaches labels by the loss of its paper, to which terms of detail "
            "alone may be added; take the others out, or choose another method"
        )
    if not (plan.labels.exclusive or kind.overlapping):
        raise CrlnError(
            f"plan: labels.exclusive: {name} learns no classes that overlap; choose another method"
        )
    method = kind(plan, _options(name, plan))
    if plan.training.denoise:
        channels = len(plan.channels)
        method.beside = DenoisingBeside(method.backbones(), channels, plan.training.denoise)
    return method


def spelled_out(name: str, plan: Plan) -> Plan:
    """The plan with every option of the method `name`, of its views and of its network.

    What a plan says, no later default can change.

    Raises:
        CrlnError: no such method, or an option that it does not have.
    """
    options = _options(name, plan).model_dump(mode="json")
    views = views_options(plan).model_dump(mode="json")
    changes: dict[str, Any] = {"views": {"options": views}}
    if of_network := _network_options(plan):
        changes["network"] = {"options": of_network}
    return plan.updated(changes | ({"options": {name: options}} if options else {}))


def _network_options(plan: Plan) -> dict[str, Any]:
    """Of a network that lists them; what other networks of packages take is theirs to know."""
    kind = NETWORKS[plan.network.kind]
    listed: type[Section] | None = getattr(kind, "Options", None)
    if listed is None:
        return plan.network.options
    found: Section = options_of(listed, plan.network.options, "network.options", plan.network.kind)
    return found.model_dump(mode="json")


def published_rates(name: str, iterations: int) -> dict[str, Any]:
    """Changes of a plan's `training`: what the method `name` was published with.

    Raises:
        CrlnError: no such method, or its authors say nothing of rates.
    """
    published = find_method(name).published
    if published is None:
        raise CrlnError(f"{name}: no published optimiser is known; leave out --published")
    return published.training(iterations)


def _options(name: str, plan: Plan) -> Section:
    options: Section = options_of(
        find_method(name).Options, plan.options.get(name, {}), f"options.{name}", name
    )
    return options


__all__ = [
    "METHODS",
    "Batch",
    "Method",
    "Published",
    "Ramped",
    "Seen",
    "SemiSupervised",
    "Step",
    "Teacher",
    "build_method",
    "find_method",
    "published_rates",
    "spelled_out",
    "summed",
    "unheard",
    "weighted",
]
