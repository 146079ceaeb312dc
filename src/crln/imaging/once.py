"""What is worth telling about a file, told once however often the file is read."""

import functools
import logging

_log = logging.getLogger("crln")


@functools.lru_cache(maxsize=10_000)
def tell(message: str) -> None:
    """Logs a warning, the first time that this process has it."""
    _log.warning("%s", message)
