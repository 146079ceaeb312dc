"""What is worth telling about files, once and not for every one of a thousand."""

import logging

_log = logging.getLogger("crln")
_told: set[str] = set()


def tell_once(kind: str, line: str) -> None:
    """Tells the first of each kind in this process.

    Args:
        kind: what is told.
        line: names the file, what was decided, and the remedy.
    """
    if kind not in _told:
        _told.add(kind)
        _log.warning("%s", line)
