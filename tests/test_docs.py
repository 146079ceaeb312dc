"""The pages say what the figures say, keep to a reader's measure, and can be built."""

import re
import shutil
import subprocess
import sys
import tomllib
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


@pytest.mark.slow
def test_pages_of_figures_are_what_their_files_give() -> None:
    found = subprocess.run(
        [sys.executable, DOCS / "_generate", "--check"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_is_too_long(page: Path) -> None:
    """Faults are looked up, not read."""
    most = 2600 if page.stem == "faults" else 1800
    assert words(page.read_text(encoding="utf-8")) <= most


def test_the_results_fit_one_screen() -> None:
    assert words((DOCS / "results/index.md").read_text(encoding="utf-8")) <= 600


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_sentence_has_forty_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not [each for each in sentences(text) if words(each) >= 40]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_prose_is_wrapped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "#", "    "))]
    assert not [line for line in lines if len(line) > 100]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_commit_is_named_in_prose(page: Path) -> None:
    for part in prose(page.read_text(encoding="utf-8")):
        assert not re.search(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,40}\b", part), part


def test_a_sentence_is_counted_whole() -> None:
    text = "One two.\n\n- three four\n  five. Six\n- seven\n\n| a | b |\n\n```sh\ncode code\n```\n"
    assert sentences(text) == ["One two.", "three four five.", "Six", "seven"]


BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
WIDE = """<script>
addEventListener("load", () => setTimeout(() => {
  const cut = [...document.querySelectorAll(".md-typeset__scrollwrap")]
    .filter(each => each.scrollWidth > each.clientWidth + 1).length
  document.body.dataset.cut = cut
}, 500))
</script>"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def seen(page: str) -> str:
    """What a browser of 1280 pixels makes of a page."""
    if not BROWSER:
        pytest.skip("no Chromium here: install it to see the pages as a reader does")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"]
    command = [BROWSER, *flags, "--window-size=1280,900", "--dump-dom", page]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


@pytest.mark.slow
def test_the_pages_can_be_built_and_ask_no_other_site(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", page.read_text(encoding="utf-8"))
        assert not [tag for tag in tags if re.search(r'(?:src|href)="(?:https?:)?//', tag)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )['\"]?https?:", sheet.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_search_finds_a_word_without_a_server(site: Path) -> None:
    found = re.search(r"(\d+) matching documents", seen(f"file://{site}/index.html?q=hippocampus"))
    assert found
    assert int(found[1]) > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["results/index", "results/acdc", "results/hippocampus", "results/left-atrium",
     "results/ensembles", "results/outlines", "results/ablation",
     "reference/benchmarks", "reference/plan", "reference/methods", "reference/verbs",
     "reference/verbs-measure"],
)  # fmt: skip
def test_no_table_is_cut(site: Path, name: str) -> None:
    page = site / f"{name}.html"
    tried = page.with_name(f"tried-{page.name}")
    tried.write_text(page.read_text("utf-8").replace("</body>", f"{WIDE}</body>"), "utf-8")
    assert 'data-cut="0"' in seen(f"file://{tried}")


def test_the_rooms_are_those_that_lint_knows() -> None:
    text = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
    told = [name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
            for name in re.findall(r"`(\w+)`", row)]  # fmt: skip
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = content["tool"]["importlinter"]["contracts"][0]["layers"]
    known = [sorted(re.findall(r"\w+", layer)) for layer in layers]
    assert told == [name for layer in known for name in layer if not name.startswith("_")]


def test_the_table_of_verbs_has_each() -> None:
    top = (DOCS / "reference/verbs.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| \[`([\w-]+)`\]\(([\w.-]*)#crln-\1\)", top, re.MULTILINE)
    found = [
        (verb, "" if page == "verbs.md" else page)
        for page in ("verbs.md", "verbs-measure.md")
        for verb in re.findall(
            r"^## crln ([\w-]+)$", (DOCS / "reference" / page).read_text("utf-8"), re.MULTILINE
        )
    ]
    assert sorted(told) == sorted(found)
