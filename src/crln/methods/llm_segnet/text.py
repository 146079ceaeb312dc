"""What a text says of each class: sentences, and the embeddings that are made of them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

import torch
import yaml
from safetensors.torch import load
from torch import Tensor

from crln.errors import CrlnError

WIDTH = 384
"""Of an embedding: all-MiniLM-L6-v2's."""

Text = Literal["learnt", "classes", "random", "none"]
"""What the tokens of the classes are: learnt, of sentences, frozen noise; or there are none."""


class Told(NamedTuple):
    """What is said of a class: its names, in lower case, and a sentence."""

    names: tuple[str, ...]
    text: str


@lru_cache(maxsize=1)
def sentences() -> tuple[Told, ...]:
    """Of the classes that this package knows."""
    entries = yaml.safe_load(_beside("classes.yaml").decode())
    return tuple(Told(tuple(entry["names"]), entry["text"].strip()) for entry in entries)


@lru_cache(maxsize=1)
def embeddings() -> dict[str, Tensor]:
    """The embedding (`WIDTH`,) of each of these, by every name of the class."""
    table = load(_beside("classes.safetensors"))
    return {name: table[told.names[0]] for told in sentences() for name in told.names}


def tokens_of(names: Sequence[str], own: Mapping[str, str]) -> Tensor:
    """An embedding of each class by the sentences of this package, zero where one has its own.

    Args:
        names: of all classes, background included.
        own: sentences of the user's, by class.

    Returns:
        (K, `WIDTH`), float32.

    Raises:
        CrlnError: a class of which nothing is known, or a sentence of a class that there is not.
    """
    known, given = embeddings(), {name.casefold() for name in own}
    strange = sorted(given - {name.casefold() for name in names})
    if strange:
        raise CrlnError(
            f"plan: options.llm_segnet.sentences: no class {strange[0]!r}; "
            f"the classes are {', '.join(names)}"
        )
    rows = []
    for name in names:
        place = name.casefold()
        if place not in known and place not in given:
            raise CrlnError(
                f"plan: options.llm_segnet: nothing is told of class {name!r}; give it a sentence "
                f"(sentences: {{{name}: ...}}), or take text: learnt"
            )
        rows.append(torch.zeros(WIDTH) if place in given else known[place])
    return torch.stack(rows)


def _beside(name: str) -> bytes:
    return (files(__package__) / name).read_bytes()
