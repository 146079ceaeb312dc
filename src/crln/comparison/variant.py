"""Methods as a person names them: `crln`, `crln[positive_weight=0]`, `bcp[published]`."""

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from crln.errors import CrlnError
from crln.files import fault_of, from_yaml
from crln.methods import published_rates
from crln.planning import Plan
from crln.registry import METHODS

EVERY_LABEL = "supervised_all"
"""The upper bound: `supervised` with every label that the test does not need."""

PUBLISHED = "published"
"""The option without a value: the optimiser and rates that the method was published with."""


ABLATION = {
    "crln": "the whole method",
    "crln[copy_paste=0]": "no view with a labelled box in it, as in the paper",
    "crln[strong_views=0]": "the student sees the weak view in the strong one's place",
    "crln[relation=false]": "no Dynamic Interaction Module, so no rectification at all",
    "crln[rectify_prediction=false]": "f rather than z at prediction",
    "crln[positive_weight=0]": "no Cooperative Positive Supervision",
    "crln[network.prototypes=1]": "one prototype per class",
    "crln[positive_weight=0.5]": "CPS as heavy as the paper's, which it trains with SGD",
    "crln[trusted_only=false,unsupervised_weight=0.5]": "the paper's L_u: over every voxel",
    "crln[unassertiveness=0]": "xi = 0: the positive is the plain mean",
    "crln[training.labelled_start=0]": "unlabelled patches from the first step on, as in the paper",
    "crln[joint_pass=false]": "the paper's two student passes, one a batch",
    "crln[signed=false]": "as released: a clue can only add",
    "crln[prototype_start=0]": "as released: prototypes start alike",
    "crln[project_prototypes=false]": "as released: p_k is the mean of features",
    "crln[teacher.dropout=true,teacher.norm=own]": "as released: the teacher labels in train mode",
}
"""What CRLN's parts are worth, as `crln compare --ablation` trains it: a variant to what it does.
The first is what the others are compared with."""


@dataclass(frozen=True)
class Variant:
    """A method with the options that make it differ from the plan.

    Attributes:
        name: as it was typed; what tables call it.
        method: its name in `crln.methods.METHODS`.
        changes: of the plan.
        every_label: whether it learns from all labels, whatever the label count.
        published: whether it takes its published optimiser and rates; `changes` win over them.
    """

    name: str
    method: str
    changes: dict[str, Any] = field(default_factory=dict)
    every_label: bool = False
    published: bool = False

    @property
    def slug(self) -> str:
        """The name as part of a folder's name."""
        return re.sub(r"[^\w.=+-]+", "-", self.name).strip("-")

    def plan(self, base: Plan) -> Plan:
        """The plan with the variant's options.

        Raises:
            CrlnError: a field of the plan that does not exist, or an impossible value.
        """
        try:
            plan = base.updated(self.changes)
            if not self.published:
                return plan
            rates = published_rates(self.method, plan.training.iterations)
            return base.updated({"training": rates}).updated(self.changes)
        except ValidationError as error:
            raise CrlnError(f"{self.name}: {fault_of(error)}; correct the option") from error


def parse_variant(text: str) -> Variant:
    """Reads `method` or `method[option=value,...]`.

    A plain option is one of the method's; one with dots is a field of the plan, such as
    `network.prototypes`. Values are YAML: `0`, `true`, `[1, 2]`. `published` needs none.

    Raises:
        CrlnError: it is not of that form, or there is no such method.
    """
    variant = read_variant(text)
    if variant.method not in METHODS:
        known = ", ".join(sorted([*METHODS, EVERY_LABEL]))
        raise CrlnError(f"no method {variant.method!r}; choose among {known}")
    return variant


def read_variant(text: str) -> Variant:
    """As `parse_variant`, whether or not there is such a method."""
    matched = re.fullmatch(r"(\w+)(?:\[(.+)\])?", text.strip())
    if not matched:
        raise CrlnError(f"{text!r}: not a method; write it like crln or crln[positive_weight=0]")
    name, inner = matched.groups()
    method = "supervised" if name == EVERY_LABEL else name
    changes: dict[str, Any] = {}
    options = _options(text, inner or "")
    published = bool(options.pop(PUBLISHED, False))
    for option, value in options.items():
        *path, last = option.split(".") if "." in option else ("options", method, option)
        place = changes
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return Variant(text.strip(), method, changes, name == EVERY_LABEL, published)


def _options(text: str, inner: str) -> dict[str, Any]:
    try:
        options = from_yaml("{" + inner.replace("=", ": ") + "}")
    except ValueError as error:
        raise CrlnError(f"{text!r}: options cannot be read; write [name=value,...]") from error
    if options.get(PUBLISHED, True) is None:
        options[PUBLISHED] = True
    for option, value in options.items():
        if value is None or not isinstance(option, str):
            raise CrlnError(f"{text!r}: {option} has no value; write [name=value,...]")
    return dict(options)
