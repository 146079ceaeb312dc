"""The files of the page: a table of names, for no path is ever made of what is asked."""

from functools import cache
from importlib import resources
from pathlib import Path

from crln.reviewing.server.reply import Reply

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@cache
def page_files() -> dict[str, Path]:
    """Every file of the page, by its name."""
    folder = Path(str(resources.files("crln.reviewing") / "page"))
    return {path.name: path for path in folder.iterdir() if path.suffix in _KINDS}


def static(parts: tuple[str, ...]) -> Reply | None:
    """The file that is asked for, if it is one of the page's."""
    if parts == ("",):
        return _file("index.html")
    if len(parts) == 2 and parts[0] == "page" and parts[1] in page_files():
        return _file(parts[1])
    return None


def _file(name: str) -> Reply:
    path = page_files()[name]
    return Reply(path, _KINDS[path.suffix])
