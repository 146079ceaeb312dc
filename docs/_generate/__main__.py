"""Writes what pages take from elsewhere: measured figures, options that the code has, pictures.

Prose stands in templates/, figures come from the files, so that no number is typed twice. With
--check nothing is written: the exit status says whether a page differs from what it would be.

Run: python docs/_generate [--check]
"""

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import options
import performance
import results
import slicer

DOCS = Path(__file__).parents[1]
PAGES = {
    "results/index.md": results,
    "results/acdc.md": results,
    "results/hippocampus.md": results,
    "results/ensembles.md": results,
    "results/left-atrium.md": results,
    "results/outlines.md": results,
    "results/ablation.md": results,
    "reference/benchmarks.md": performance,
}
BEGIN = "<!-- generated: results -->\n"
END = "<!-- end -->"


def pages() -> dict[Path, str]:
    """What each page should hold."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True,
        autoescape=False,
    )  # fmt: skip
    made = {}
    for name, source in PAGES.items():
        template = templates.get_template(Path(name).name)
        made[DOCS / name] = template.render(source.names(DOCS / "results"))
    for page, where in (
        (DOCS.parent / "README.md", "docs/results"),
        (DOCS / "index.md", "results"),
    ):
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        made[page] = f"{before}{BEGIN}\n{results.overview(DOCS / 'results', where)}\n{END}{after}"
    made |= {DOCS / "images" / name: picture for name, picture in slicer.pictures().items()}
    for name, filled in (
        ("plan", options.plan_page),
        ("options", options.options_page),
        ("methods", options.methods_page),
    ):
        page = DOCS / "reference" / f"{name}.md"
        made[page] = filled(page.read_text(encoding="utf-8"))
    return made


def main() -> None:
    made = pages()
    stale = [page for page, text in made.items() if not _holds(page, text)]
    if "--check" in sys.argv[1:]:
        sys.exit("".join(f"{page}: differs; run make docs\n" for page in stale) or None)
    for page in stale:
        page.write_text(made[page], encoding="utf-8")
        print(f"wrote {page.relative_to(DOCS.parent)}")


def _holds(page: Path, text: str) -> bool:
    return page.exists() and page.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    main()
