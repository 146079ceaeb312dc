"""Ways of learning: one file and one line of the registry each."""

from pydantic import ValidationError

from crln.augmentation import build_views
from crln.errors import CrlnError
from crln.files import fault_of
from crln.methods.ad_mt import AlternateTeaching
from crln.methods.base import Batch, Method, Step
from crln.methods.bcp import BidirectionalCopyPaste
from crln.methods.crln.method import CRLN
from crln.methods.cross_pseudo import CrossPseudo
from crln.methods.diffrect.method import DiffRect
from crln.methods.mcnet import MCNet
from crln.methods.mean_teacher import MeanTeacher
from crln.methods.published import Published
from crln.methods.supervised import Supervised
from crln.methods.tracoco import TraCoCo
from crln.planning import Plan
from crln.planning.plan import Section

METHODS: dict[str, type[Method]] = {
    "ad_mt": AlternateTeaching,
    "bcp": BidirectionalCopyPaste,
    "cross_pseudo": CrossPseudo,
    "crln": CRLN,
    "diffrect": DiffRect,
    "mcnet": MCNet,
    "mean_teacher": MeanTeacher,
    "supervised": Supervised,
    "tracoco": TraCoCo,
}


def find_method(name: str) -> type[Method]:
    """The class of a method; CrlnError where there is none of that name."""
    if name not in METHODS:
        raise CrlnError(f"no method {name!r}; choose one of {', '.join(sorted(METHODS))}")
    return METHODS[name]


def build_method(name: str, plan: Plan) -> Method:
    """The method `name` with the plan's options for it.

    Raises:
        CrlnError: no such method, or an option that it does not have.
    """
    return find_method(name)(plan, _options(name, plan), build_views(plan))


def spelled_out(name: str, plan: Plan) -> Plan:
    """The plan with every option of the method `name`: what it says, no later default can change.

    Raises:
        CrlnError: no such method, or an option that it does not have.
    """
    options = _options(name, plan).model_dump(mode="json")
    return plan.updated({"options": {name: options}} if options else {})


def _options(name: str, plan: Plan) -> Section:
    method = find_method(name)
    try:
        return method.Options.model_validate(plan.options.get(name, {}))
    except ValidationError as error:
        known = ", ".join(method.Options.model_fields)
        raise CrlnError(
            f"plan: options.{name}.{fault_of(error)}; {name} has {known or 'no options'}"
        ) from error


__all__ = [
    "METHODS",
    "Batch",
    "Method",
    "Published",
    "Step",
    "build_method",
    "find_method",
    "spelled_out",
]
