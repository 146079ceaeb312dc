"""Names that differ as names of one case do: letter case, `_seg`, `-label`, `_mask`."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

_OF_LABEL = "segmentation|segs?|ground ?truth|gt|labels?|labelmap|masks?|manual|roi|outline"
_OF_SCAN = "images?|img|scan|volume|vol"
_AT_END = re.compile(rf"[._\- ]+({_OF_LABEL}|{_OF_SCAN})$")
_AT_START = re.compile(rf"^({_OF_LABEL}|{_OF_SCAN})[._\- ]+")


def near_key(name: str) -> str:
    """What is left of a name without letter case and words such as `seg`, at either end.

    Examples:
        >>> near_key("Case_01_seg"), near_key("case_01"), near_key("segmentation-7")
        ('case_01', 'case_01', '7')
    """
    key = name.casefold()
    while (shorter := _AT_START.sub("", _AT_END.sub("", key))) != key:
        key = shorter
    return key


def nearest(name: str, names: Collection[str]) -> str | None:
    """The one name that differs as names of one case do, or else the most alike; None if none is.

    Examples:
        >>> nearest("Case_1", ["case_1", "case_2"]), nearest("x", ["case_1"])
        ('case_1', None)
        >>> nearest("case_1_seg_final", ["case_1", "case_12"])
        'case_1'
    """
    key = near_key(name)
    near = [other for other in names if near_key(other) == key]
    if len(near) == 1:
        return near[0]
    within = [other for other in names if _is_part(near_key(other), key)]
    return max(within, key=len, default=None) or next(
        iter(get_close_matches(name, names, 1, 0.8)), None
    )


def _is_part(key: str, longer: str) -> bool:
    """Whether a key is the start or the end of another, up to where a word ends."""
    rest = longer.removeprefix(key) if longer.startswith(key) else longer.removesuffix(key)[::-1]
    return len(rest) < len(longer) and rest[:1] in (".", "_", "-", " ")


@dataclass(frozen=True)
class Matches:
    """Which case each label belongs to.

    Attributes:
        exact: names of labels that are a case's.
        near: name of a label to the one case whose name is near.
        rivals: name of a label to another that is as near to the same case, or None where it is
            near to several cases.
        orphans: name of a label to the nearest case's name, or None where none is near.
    """

    exact: set[str] = field(default_factory=set)
    near: dict[str, str] = field(default_factory=dict)
    rivals: dict[str, str | None] = field(default_factory=dict)
    orphans: dict[str, str | None] = field(default_factory=dict)


def match_names(cases: Collection[str], labels: Iterable[str]) -> Matches:
    """Labels by the cases that their names tell; a near name counts where it is the only one."""
    labels = list(labels)
    found = Matches(exact=set(labels) & set(cases))
    by_key: dict[str, list[str]] = {}
    for case in cases:
        by_key.setdefault(near_key(case), []).append(case)
    claims: dict[str, list[str]] = {}
    for label in sorted(set(labels) - found.exact):
        near = by_key.get(near_key(label)) or by_key.get(near_key(label.removesuffix("_0000")), [])
        free = [case for case in near if case not in found.exact]
        if len(free) == 1:
            claims.setdefault(free[0], []).append(label)
        elif near:
            found.rivals[label] = near[0] if not free else None
        else:
            found.orphans[label] = nearest(label, [c for c in cases if c not in found.exact])
    for case, names in claims.items():
        if len(names) == 1:
            found.near[names[0]] = case
        else:
            for name in names:
                found.rivals[name] = next(other for other in names if other != name)
    return found
