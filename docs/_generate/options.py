"""Tables of the plan's fields and of the methods' options, from the models that check them."""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from crln.augmentation.paper import PaperOptions
from crln.augmentation.recipe import Recipe, RichOptions
from crln.methods import METHODS
from crln.networks.resenc import ResEncOptions
from crln.planning import Plan, plan

SECTIONS: dict[str, type[BaseModel]] = {
    "## Top level": Plan,
    "## `intensity`": plan.Intensity,
    "## `network`": plan.NetworkPlan,
    "### Options of `resenc`": ResEncOptions,
    "## `views`": plan.ViewsPlan,
    "### Numbers of `rich`": RichOptions,
    "### Numbers of `paper`": PaperOptions,
    "## `loss`": plan.LossPlan,
    "## `teacher`": plan.TeacherPlan,
    "## `drafts`": plan.DraftsPlan,
    "## `pretrain`": plan.PretrainPlan,
    "## `training`": plan.TrainingPlan,
    "## `inference`": plan.InferencePlan,
}
"""Heading of the plan's page -> the model whose fields its table lists."""

METHOD_SECTIONS: dict[str, type[BaseModel]] = {
    f"## `{name}`": METHODS[name].Options
    for name in METHODS.ours
    if METHODS[name].Options.model_fields
}
"""The same of the page of the methods' options."""

VIEWS = "### How often and how far"


def plan_page(text: str) -> str:
    """The page of the plan with its tables as the models have them."""
    text = _filled(text, SECTIONS)
    kinds = ("labelled", "weak", "strong")
    views = [RichOptions().model_dump()[kind] for kind in kinds]
    rows = [
        "| field | " + " | ".join(kinds) + " | meaning |", "|---|---|---|---|---|",
        *(
            f"| `{name}` | " + " | ".join(_shown(view[name]) for view in views)
            + f" | {field.description} |"
            for name, field in Recipe.model_fields.items()
        ),
    ]  # fmt: skip
    return _replaced(text, VIEWS, rows)


def options_page(text: str) -> str:
    """The page of the methods' options with its tables as the models have them."""
    return _filled(text, METHOD_SECTIONS)


def methods_page(text: str) -> str:
    """The page of the methods with the optimisers that they were published with."""
    lines = []
    for line in text.split("\n"):
        matched = re.match(r"\| `(\w+)` \| ([^|]*) \|", line)
        if matched and matched[1] in METHODS.ours:
            line = _published(*matched.groups())
        lines.append(line)
    return "\n".join(lines)


def _filled(text: str, sections: dict[str, type[BaseModel]]) -> str:
    """A page with the table under each heading as its model has it."""
    for heading, model in sections.items():
        nameless = [name for name, field in model.model_fields.items() if not field.description]
        assert not nameless, f"{heading}: fields without a description: {nameless}"
        rows = [
            f"| `{name}` | {_default(field)} | {field.description} |"
            for name, field in model.model_fields.items()
        ]
        text = _replaced(text, heading, ["| field | default | meaning |", "|---|---|---|", *rows])
    return text


def _published(name: str, source: str) -> str:
    known = METHODS[name].published
    if known is None:
        return f"| `{name}` | {source} | | | | | | not known |"
    cells = (
        f"`{name}`", source, f"{known.iterations:,}", f"{known.lr:g}", known.schedule,
        f"{known.weight_decay:g}", f"{known.rate(1000):.3g}", known.source,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _replaced(text: str, heading: str, table: list[str]) -> str:
    """The page with the first table under a heading in the place of what is there."""
    before, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    lines = rest.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    end = next(i for i in range(start, len(lines) + 1) if not lines[i : i + 1][0].startswith("|"))
    return before + found + "\n".join([*lines[:start], *table, *lines[end:]])


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or hasattr(value, "__dataclass_fields__"):
        return ""  # has a table of its own
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return "z-score"
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int):
        return str(value)
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
