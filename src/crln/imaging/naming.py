"""Label files that name their classes themselves: by name, not by number, they mean the same."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from crln.errors import CrlnError

# What programs call a segment that nobody gave a name.
_NAMELESS = re.compile(r"(segment|label|class|roi|structure)? ?\d*")


def plain(name: str) -> str:
    """A name without what differs from file to file: case, underscores, hyphens, spaces.

    Empty for what programs call a segment that nobody named.

    Examples:
        >>> plain("Left_Lung") == plain("left lung")
        True
        >>> plain("Segment_1")
        ''
    """
    words = re.sub(r"[\s_-]+", " ", name).strip().casefold()
    return "" if _NAMELESS.fullmatch(words) else words


def renamed(told: Mapping[int, str], called: Iterable[tuple[str, str]]) -> dict[int, str]:
    """Names that files give, as a cohort has them: `called` pairs a name with the class's."""
    meant = {plain(name): of for name, of in called}
    return {value: meant.get(plain(name), name) for value, name in told.items()}


def values_by_name(path: Path, told: Mapping[int, str], names: Mapping[int, str]) -> dict[int, int]:
    """The value that each value of a file means among the classes.

    Args:
        path: the label file, for the error.
        told: value in the file -> the name that the file gives it.
        names: value -> name of the classes; empty where nobody named them.

    Returns:
        For each value that `told` names: the value of the class of that name; of structures
        without a name, and where either side has no names, the value itself. Values of other
        structures are missing.

    Raises:
        CrlnError: the file has names, and none is a class's; or two of its names are one class.
    """
    named = {plain(name): value for value, name in names.items() if plain(name)}
    theirs = {value: plain(name) for value, name in told.items() if plain(name)}
    if not named or not theirs:
        return {value: value for value in told}
    found: dict[int, int] = {}
    for value, name in theirs.items():
        if name not in named:
            continue
        if named[name] in found.values():
            raise CrlnError(f"{path}: holds {told[value]!r} twice; rename or remove one")
        found[value] = named[name]
    if not found:
        raise CrlnError(
            f"{path}: holds {_listed(told)}, and none is a class ({_listed(names)}); rename them, "
            "or name them in the cohort.yaml's classes"
        )
    nameless = told.keys() - theirs.keys() - set(found.values()) - set(named.values())
    return found | {value: value for value in nameless}


def moved(array: np.ndarray, told: Mapping[int, str], moves: Mapping[int, int]) -> np.ndarray:
    """Values of a label as `moves` says, int32; what `told` names and it lacks is background."""
    if all(moves.get(value) == value for value in told):
        return array
    known = {value: moves.get(value, 0) for value in told}
    values, place = np.unique(array, return_inverse=True)
    meant = np.array([known.get(int(value), int(value)) for value in values], np.int32)
    return meant[place].reshape(array.shape)


def _listed(names: Mapping[int, str], most: int = 8) -> str:
    shown = list(names.values())[:most]
    return ", ".join(shown) + (", ..." if len(names) > most else "")
