"""What the pages tell a reader to type, and what they list, is what the package has."""

import ast
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from typer.main import get_command

import crln
from crln.cli import app
from crln.cohort import make_phantom
from crln.labels import LabelSpace
from crln.methods import METHODS
from crln.planning import Plan
from crln.planning.plan import (
    DraftsPlan,
    InferencePlan,
    Intensity,
    LossPlan,
    NetworkPlan,
    TeacherPlan,
    TrainingPlan,
    ViewsPlan,
)

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_generate" not in p.parts)]
VERBS = get_command(app).commands  # type: ignore[attr-defined]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of a page in one language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def whole_lines(text: str) -> list[str]:
    """Lines, those that end in a backslash with the next."""
    return text.replace("\\\n", "").splitlines()


def crln_commands(page: Path) -> list[list[str]]:
    """The words after `crln` of every command line in a page's shell blocks."""
    lines = [line for block in blocks(page, "sh") for line in whole_lines(block)]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("crln ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page: Path) -> None:
    for verb, *arguments in crln_commands(page):
        VERBS[verb].make_context(verb, arguments)  # raises on an unknown or missing option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_use_names_that_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "crln":
                assert hasattr(crln, node.attr)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_make_targets_exist() -> None:
    text = README.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake (\w+)", " ".join(re.findall(r"`+[^`]*`+", text))):
        assert f"\n{target}:" in makefile


@pytest.mark.slow
def test_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., Any]
) -> None:
    """Its commands on own data, one after the other, with a small network and one step."""
    make_phantom(tmp_path / "made", labelled=12, unlabelled=1, test=0, shape=(18, 18, 16), seed=0)
    (tmp_path / "made").rename(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for verb, *arguments in crln_commands(README):
        result = command_line(verb, *arguments)
        assert result.code == 0, result.err
        if verb == "plan":
            shrink(
                tmp_path
                / (arguments[arguments.index("--out") + 1] if "--out" in arguments else "plan.yaml")
            )
    for folder in ("masks", "measured-masks"):
        assert len(list((tmp_path / folder).glob("*.nii.gz"))) >= 13
    assert (tmp_path / "results.csv").exists()


def shrink(path: Path) -> None:
    plan = Plan.read(path).updated({
        "patch_size": (16, 16, 16),
        "network": {"widths": (4, 4, 8, 8, 8)},
        "training": {"iterations": 1},
    })  # fmt: skip
    path.write_text(plan.to_yaml(), encoding="utf-8")


def documented(page: str, heading: str) -> dict[str, str]:
    """First cell to second cell of the table under a heading."""
    text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    section = text.split(f"\n{heading}\n", 1)[1]
    section = re.split(r"^##", section, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `([^|]+)` \|([^|]*)\|", section, re.MULTILINE)
    return {name: cell.strip() for name, cell in rows}


TABLES = (
    "labels", "intensity", "network", "views", "loss", "teacher", "drafts", "pretrain", "training",
    "inference",
)  # fmt: skip
"""Fields of the plan whose defaults stand in a table of their own."""

SECTIONS: dict[str, Any] = {
    "## Top level": Plan,
    "## `labels`": LabelSpace,
    "## `intensity`": Intensity,
    "## `network`": NetworkPlan,
    "## `views`": ViewsPlan,
    "## `loss`": LossPlan,
    "## `teacher`": TeacherPlan,
    "## `drafts`": DraftsPlan,
    "## `training`": TrainingPlan,
    "## `inference`": InferencePlan,
}
METHOD_SECTIONS = {f"## `{n}`": m.Options for n, m in METHODS.items() if m.Options.model_fields}


@pytest.mark.parametrize(
    ("page", "heading", "model"),
    [
        *(("plan.md", *section) for section in SECTIONS.items()),
        *(("options.md", *section) for section in METHOD_SECTIONS.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_plan_field_is_documented_with_its_default(
    page: str, heading: str, model: Any
) -> None:
    rows = documented(page, heading)
    defaults = TypeAdapter(model).dump_python(model(), mode="json")
    assert rows.keys() == defaults.keys()
    for name, cell in rows.items():
        if heading == "## Top level" and name in TABLES:
            continue
        shown = cell.strip("`")
        expected = defaults[name]
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-2)
        assert (None if shown == "none" else yaml.safe_load(shown)) == expected, name


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_documented(verb: str) -> None:
    options = {
        parameter.opts[-1]
        for parameter in VERBS[verb].params
        if parameter.opts[-1].startswith("--") and parameter.opts[-1] != "--help"
    }
    heading = f"## crln {verb}"
    (page,) = [
        page.name for page in ROOT.glob("docs/reference/verbs*.md")
        if f"\n{heading}\n" in page.read_text(encoding="utf-8")
    ]  # fmt: skip
    first = documented(page, heading).keys()
    rows = {word for cell in first for word in cell.replace("`", "").split() if word[:2] == "--"}
    assert rows == options


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_examples_that_parse(verb: str) -> None:
    for line in whole_lines(VERBS[verb].epilog.split("Examples:\n")[1]):
        program, named, *arguments = shlex.split(line)
        assert (program, named) == ("crln", verb)
        VERBS[verb].make_context(verb, arguments)
