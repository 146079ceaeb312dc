"""The pages say what the figures say, keep to a reader's measure, and can be built."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_generate" not in page.parts),
]


def words(text: str) -> int:
    """Words with at least one letter or figure; the rules of a table are none."""
    return sum(any(letter.isalnum() for letter in word) for word in text.split())


def prose(text: str) -> list[str]:
    """The paragraphs and list items of a page, without code, tables and headings."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [
        "" if re.match(r"\s*(#|\||<|!\[)|( {4}|\t)", line) else line for line in text.splitlines()
    ]
    parts = re.split(r"\n\s*\n\s*(?:[-*] |\d+\. )?|\n\s*(?:[-*]|\d+\.) ", "\n" + "\n".join(lines))
    return [" ".join(part.split()) for part in parts if part.strip()]


def sentences(text: str) -> list[str]:
    """The sentences of a page's prose; a link counts as its words."""
    found = []
    for part in prose(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part)
        found += re.split(r"(?<=[.!?:;])[)*`]*\s+", plain)
    return found


def test_pages_of_figures_are_what_their_files_give() -> None:
    found = subprocess.run(
        [sys.executable, DOCS / "_generate", "--check"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_is_too_long(page: Path) -> None:
    assert words(page.read_text(encoding="utf-8")) <= 1800


def test_the_results_fit_one_screen() -> None:
    assert words((DOCS / "results/index.md").read_text(encoding="utf-8")) <= 600


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_commit_is_named_in_prose(page: Path) -> None:
    for part in prose(page.read_text(encoding="utf-8")):
        assert not re.search(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,40}\b", part), part


def test_a_sentence_is_counted_whole() -> None:
    text = "One two.\n\n- three four\n  five. Six\n- seven\n\n| a | b |\n\n```sh\ncode code\n```\n"
    assert sentences(text) == ["One two.", "three four five.", "Six", "seven"]
