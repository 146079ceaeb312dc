"""How a notebook shows what the package gives: a short table."""

from collections.abc import Mapping
from html import escape


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """A title and a row for each fact; what a fact is empty of is left out."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(str(fact))}</td></tr>"
        for name, fact in facts.items()
        if fact not in (None, "")
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def times(values: tuple[float, ...]) -> str:
    """Sides, such as "112 x 112 x 80"."""
    return " x ".join(f"{value:.4g}" for value in values)
