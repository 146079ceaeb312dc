"""Which labelled cases are kept for the test: a number, a share, or cases by name."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from crln.cohort.case import Cohort
from crln.cohort.listing import read_list, repeated
from crln.errors import CrlnError
from crln.imaging import nearest

Held = int | str | Sequence[str]
"""A number of cases (the last), a share of those with a label ("20%"), or their ids."""


def parse_held(held: Held) -> Held:
    """What `--test` means: `20`, `20%`, `a,b,c`, or a file with an id a line.

    Raises:
        CrlnError: an impossible number or share, a file that cannot be read, or one id twice.

    Examples:
        >>> parse_held("20%"), parse_held("12"), parse_held("hip_004,hip_007")
        ('20%', 12, ('hip_004', 'hip_007'))
    """
    if isinstance(held, int):
        return held
    if not isinstance(held, str):
        return _once(tuple(map(str, held)))
    text = held.strip()
    if text.removeprefix("-").isdigit():
        if int(text) < 0:
            raise CrlnError(f"--test {text}: a number of cases is 0 or more")
        return int(text)
    if text.endswith("%"):
        _share(text)
        return text
    path = Path(text)
    if path.is_file():
        return _once(tuple(read_list(path)))
    if "," not in text and ("/" in text or path.suffix in (".txt", ".list", ".csv")):
        raise CrlnError(f"{path}: no such file; give a file with an id a line")
    names = (unicodedata.normalize("NFC", name.strip()) for name in text.split(","))
    return _once(tuple(name for name in names if name))


def held_out(cohort: Cohort, held: Held) -> int | tuple[str, ...]:
    """The number or the ids that `held` means for this cohort.

    Raises:
        CrlnError: a share that is no case, or an id that is of no case with a label.
    """
    held = parse_held(held)
    if isinstance(held, int):
        return held
    labelled = [case.id for case in cohort.labelled]
    if isinstance(held, str):
        count = round(_share(held) * len(labelled))
        if not count:
            raise CrlnError(
                f"{cohort.root}: {held} of {len(labelled)} cases with a label is none; ask for more"
            )
        return count
    if unknown := [id for id in held if id not in labelled]:
        near = nearest(unknown[0], labelled)
        raise CrlnError(
            f"{cohort.root}: --test names {unknown[0]}, which is no case with a label; correct the "
            "list" + (f": the nearest is {near}" if near else "")
        )
    return tuple(held)


def means_same(cohort: Cohort, part: str, held: Held) -> bool:
    """Whether `held` asks for the cases of a part that a split keeps.

    A share stands for them until there are twice as many labels as when it was drawn.
    """
    kept = {case.id for case in getattr(cohort, part)}
    held = parse_held(held)
    if isinstance(held, int):
        return held == len(kept)
    if isinstance(held, str):
        wanted = round(_share(held) * (len(cohort.labelled) + len(kept)))
        return len(kept) <= wanted < 2 * len(kept) + 1
    return set(held) == kept


def shown(held: Held) -> str:
    """As it is typed."""
    return str(held) if isinstance(held, int | str) else ",".join(held)


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise CrlnError(f"--test {text}: a share lies between 0% and 100%")
    return share


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    if not ids:
        raise CrlnError("--test names no case; give a number, a share like 20%, or ids")
    if twice := repeated(ids):
        raise CrlnError(f"--test names {twice} twice; name it once")
    return ids
