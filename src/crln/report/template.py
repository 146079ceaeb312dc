"""Fills in the templates of the pages."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from crln._version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: object) -> str:
    """A template of this room filled in; what is no markup is escaped.

    Args:
        template: its file in `templates/`.
        values: that it names.
    """
    return _environment().get_template(template).render(version=__version__, **values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader  # what writes no page does not load it

    return Environment(
        loader=PackageLoader("crln.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


def source(name: str) -> str:
    """A file of `templates/` as it is, such as a script."""
    loader = _environment().loader
    assert loader
    return loader.get_source(_environment(), name)[0]


def policy(*scripts: str) -> str:
    """What a page may load: nothing from elsewhere, and no script but these."""
    allowed = (b64encode(sha256(script.encode()).digest()).decode("ascii") for script in scripts)
    hashes = " ".join(f"'sha256-{each}'" for each in allowed)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )
