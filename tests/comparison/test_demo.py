"""The demo on a small scale: everything it promises is there, in little time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crln.cohort import load_cohort
from crln.comparison.demo import METHODS, run_demo
from crln.errors import CrlnError
from crln.jobs import Jobs
from crln.methods import spelled_out
from crln.planning import Plan

pytestmark = pytest.mark.slow

TINY = {
    "patch_size": (48, 48, 32),
    "network": {"widths": (4, 4, 8, 8, 8), "prototypes": 2, "embedding": 4},
    "inference": {"overlap": 0.0},
    "options": {"crln": {"queries": 8, "negatives": 16}},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    out, said = tmp_path_factory.mktemp("demo") / "demo", []
    here = Jobs(here=True)
    page = run_demo(out, iterations=2, changes=TINY, jobs=here, say=said.append)
    assert page == out / "index.html"
    return out, said


def test_it_leaves_a_comparison_and_its_cohort(demo: tuple[Path, list[str]]) -> None:
    out, said = demo
    cohort = load_cohort(out / "cohort")
    assert [len(part) for part in (cohort.labelled, cohort.unlabelled, cohort.test)] == [4, 12, 4]
    tests = {case.id for case in cohort.test}
    for method in METHODS:
        cell = out / "cells" / f"{method}-4-seed0"
        assert {path.name.split(".")[0] for path in (cell / "masks").iterdir()} == tests
        rows = json.loads((cell / "metrics.json").read_text())["rows"]
        assert {row["case"] for row in rows} == tests
        assert (cell / "weights.safetensors").exists()
        assert any(method in line for line in said)
    assert (out / "comparison-cases.csv").exists()


def test_the_page_shows_figures_and_the_worst_scans(demo: tuple[Path, list[str]]) -> None:
    page = (demo[0] / "index.html").read_text(encoding="utf-8")
    assert "CRLN on a phantom cohort" in page
    assert page.count('class="viewer"') == 2 * 2  # the worst half of four
    assert "<svg" in page
    for row in json.loads((demo[0] / "comparison.json").read_text())["rows"]:
        assert f"{100 * row['mean_over_classes']['dice']['mean']:.1f} %" in page
    assert "gained from scans without a label" in page
    assert "4 cases cannot tell it from chance" in page
    assert "no test label opened, by the record of 2 trainings" in page


def test_both_methods_have_the_same_budget(demo: tuple[Path, list[str]]) -> None:
    cells = [demo[0] / "cells" / f"{method}-4-seed0" for method in METHODS]
    plans = [Plan.read(cell / "plan.yaml") for cell in cells]
    assert spelled_out("supervised", plans[0]) == spelled_out("crln", plans[1])
    assert plans[0].training.iterations == 2


def test_an_existing_demo_is_replaced_only_when_told(demo: tuple[Path, list[str]]) -> None:
    with pytest.raises(CrlnError, match="--overwrite"):
        run_demo(demo[0])


def test_no_other_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CrlnError, match="holds no demo"):
        run_demo(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


def test_only_the_old_demo_goes_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo" / "cohort").mkdir(parents=True)
    (tmp_path / "demo" / "plan.yaml").write_text("name: phantom")
    (tmp_path / "demo" / "index.html").write_text("old")

    def seen(root: Path, **_: object) -> None:
        raise CrlnError(" ".join(path.name for path in root.parent.iterdir()) or "nothing")

    monkeypatch.setattr("crln.comparison.demo.make_phantom", seen)
    with pytest.raises(CrlnError, match=r"^nothing$"):
        run_demo(tmp_path / "demo", overwrite=True)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CrlnError, match="demo: cannot be made"):
        run_demo(tmp_path / "file" / "demo")


def test_the_verb_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., Any]
) -> None:
    page = tmp_path / "demo" / "index.html"
    monkeypatch.setattr("crln.comparison.demo.run_demo", lambda out, **options: page)
    result = command_line("demo", "--out", tmp_path / "demo", "--iterations", 2)
    assert result.code == 0
    assert result.out.splitlines()[-1] == f"look at {page}"
