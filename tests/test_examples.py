"""The Python of the pages and of the public docstrings runs as it stands there."""

import doctest
import functools
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import crln
from crln.cohort import make_phantom

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/reference/python.md",
    "docs/how-to/read-a-run.md",
    "docs/how-to/masks-in-python.md",
    "docs/how-to/nested-and-overlapping.md",
)


def documented(page: str) -> list[str]:
    """The objects whose docstrings a page shows."""
    text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    return re.findall(r"^::: ([\w.]+)", text, re.MULTILINE)


PUBLIC = documented("python.md")
CONTRACTS = documented("contracts.md")
SMALL = {
    "patch_size": (16, 16, 16),
    "network": {"widths": (4, 4, 8, 8, 8)},
    "training": {"iterations": 1},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an example may expect: scans and labels in `data`, a run folder `run`, `masks`."""
    here = tmp_path_factory.mktemp("examples")
    make_phantom(here / "data", labelled=28, unlabelled=1, test=0, shape=(18, 18, 16), seed=0)
    scan = sorted((here / "data/images").iterdir())[-1]
    scan.rename(scan.with_name("case_07.nii.gz"))
    shutil.copy(scan.with_name("case_07.nii.gz"), here / "scan.nii.gz")
    cohort = crln.load_cohort(here / "data")
    run = crln.train(cohort, crln.make_plan(cohort, changes=SMALL), here / "run")
    six = crln.split_cohort(cohort, labelled=6)
    small = crln.make_plan(cohort, changes=SMALL)
    crln.train_ensemble(six, small, here / "ensemble", method="supervised", folds=3, say=str)
    shutil.copytree(here / "data/labels", here / "masks")
    assert run.finished
    return here


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in; plans are small and trainings take a step."""
    here = tmp_path / "work"
    shutil.copytree(prepared, here)
    monkeypatch.chdir(here)
    make_plan = crln.make_plan
    small = lambda cohort, **_: make_plan(cohort, changes=SMALL)  # noqa: E731
    monkeypatch.setattr(crln, "make_plan", functools.wraps(make_plan)(small), raising=False)
    return here


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page: str, workplace: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert blocks
    if "crln.train(" in text:
        shutil.rmtree(workplace / "run")
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)


def examples(name: str) -> list[doctest.DocTest]:
    """What the docstring of an object shows, to be run with the names of its module."""
    module, _, own = name.rpartition(".")
    value = getattr(import_module(module), own)
    names = {**vars(sys.modules[value.__module__]), "crln": crln}
    found = doctest.DocTestFinder(recurse=False).find(value, name, globs=names)
    return [test for test in found if test.examples]


def test_every_public_name_is_documented() -> None:
    shown = {name.rsplit(".", 1)[-1] for name in PUBLIC}
    assert shown == {name for name in crln.__all__ if not name.startswith("_")}


@pytest.mark.parametrize("name", [*PUBLIC, *CONTRACTS])
def test_examples_have_the_heading_that_the_pages_know(name: str) -> None:
    module, _, own = name.rpartition(".")
    text = getattr(import_module(module), own).__doc__
    assert ">>>" not in text or re.search(r"^ *Examples:$", text, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PUBLIC, *CONTRACTS])
def test_the_example_of_a_documented_name_runs(name: str, workplace: Path) -> None:
    found = examples(name)
    assert found or name in CONTRACTS, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in found:
        assert runner.run(test).failed == 0
