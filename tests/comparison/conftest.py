"""A small comparison whose cells run in this process."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crln.comparison import Comparison, Compute, Outside, Settings, compare
from crln.comparison.published import read_published
from crln.comparison.variant import parse_variant
from crln.jobs import Jobs, Task, run_tasks
from crln.planning import Plan

HERE = Compute(device="cpu")


def run_here(
    tasks: Mapping[str, Task],
    jobs: Jobs,
    folder: Path,
    finished: Callable[[str, Path], object],
    gpus: Sequence[str],
) -> None:
    """Whatever is asked for: in this process."""
    run_tasks(tasks, Jobs(here=True), folder, finished)


@pytest.fixture(scope="session")
def plan_file(tiny_plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "tiny.yaml"
    path.write_text(tiny_plan.updated({"training": {"iterations": 2}}).to_yaml())
    return path


@pytest.fixture(scope="session")
def settings(phantom: Path, plan_file: Path) -> Settings:
    return Settings(
        data=phantom, methods=("supervised", "crln"), labelled=(2,), seeds=(0, 1), plan=plan_file
    )


@pytest.fixture(scope="session")
def finished_comparison(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Comparison, list[str]]:
    """Four trained cells, an outside tool, and what was said; not to be written to."""
    base = tmp_path_factory.mktemp("comparison")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRLN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setattr("crln.comparison.comparison.run_tasks", run_here)
        first = compare(settings, base / "out", compute=HERE, say=said.append)
        masks = base / "masks"
        shutil.copytree(first.cells[0].folder / "masks", masks)
        tool = Outside(masks, "tool", 2)
        comparison = compare(settings, base / "out", outside=[tool], compute=HERE, say=said.append)
    return comparison, said


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells run in this process."""
    monkeypatch.setattr("crln.comparison.comparison.run_tasks", run_here)


@pytest.fixture
def a_copy(
    finished_comparison: tuple[Comparison, list[str]], tmp_path: Path
) -> tuple[Path, list[Any]]:
    """The finished folder, to be changed; and what is said from now on."""
    shutil.copytree(finished_comparison[0].out, tmp_path / "out")
    return tmp_path / "out", []


@pytest.fixture
def comparison(finished_comparison: tuple[Comparison, list[str]]) -> Comparison:
    """The finished one; not to be written to."""
    return finished_comparison[0]


@pytest.fixture
def with_papers(comparison: Comparison) -> Comparison:
    """As `--preset la` would show it."""
    publication = read_published("la")
    rows = tuple(
        replace(row, published=publication.of(parse_variant(row.method), 8))
        if row.cells else row
        for row in comparison.rows
    )  # fmt: skip
    return replace(comparison, published=publication, rows=rows)
