"""What the helper of the browser tests finds, and that it finds it."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

GOOD = "<p>all is well</p><svg width=100 height=30><text x=5 y=20 font-size=12>so</text></svg>"
FAULTS = {
    "<div style='overflow:hidden; width:50px; white-space:nowrap'>much too long a text</div>":
        "long a text: wider than its div",
    "<div style='overflow:auto; width:50px; white-space:nowrap'>scrolls over to the right</div>":
        "right: wider than its div",
    "<div style='overflow:hidden; height:9px'>tall</div>": "taller than its div",
    "<p style='white-space:nowrap'>" + 40 * "a long line " + "</p>": "beyond the page's width",
    "<svg width=30 height=30><text x=20 y=20 font-size=12>cut</text></svg>": "wider than its svg",
    "<svg width=200 height=50 viewBox='0 0 400 100'><text y=50 font-size=12>x</text></svg>":
        "6.0 px",
    "<svg width=99 height=30><text y=20>one</text><text x=9 y=20>two</text></svg>": "over one",
    "<script>nonsense()</script>": "script error: nonsense is not defined",
    "<script>fetch('http://localhost:9/x').catch(() => 0)</script>": "request: http://localhost:9",
}  # fmt: skip


def test_it_finds_each_fault_and_none_where_there_is_none(tmp_path: Path, browser: Any) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><body>{GOOD}")
    assert browser.open(page, 400).faults() == []
    page.write_text(f"<!doctype html><body>{GOOD}{''.join(FAULTS)}")
    faults = browser.open(page, 400).faults()
    assert [found for found in FAULTS.values() if not any(found in line for line in faults)] == []


def test_it_opens_pages_in_the_scheme_that_is_asked_for(tmp_path: Path, browser: Any) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><p>so")
    for scheme in ("light", "dark"):
        asked = f"matchMedia('(prefers-color-scheme: {scheme})').matches"
        assert browser.open(page, 400, scheme).page.evaluate(asked)
