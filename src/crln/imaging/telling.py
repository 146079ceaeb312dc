"""What is worth telling about files, once and not for every one of a thousand."""

import logging

_log = logging.getLogger("crln")
_told: set[str] = set()


def tell_once(line: str, kind: str | None = None) -> None:
    """Logs a warning, the first of its kind in this process.

    Args:
        line: names the file, what was decided, and the remedy.
        kind: what is told; None: the very line.
    """
    if (kind or line) not in _told:
        _told.add(kind or line)
        _log.warning("%s", line)
