"""crln cache: what is kept, and how it is emptied."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crln.cohort import load_cohort
from crln.planning import Plan
from crln.preparation import prepare_cohort
from crln.preparation.inventory import list_cache

CommandLine = Callable[..., Any]


@pytest.fixture
def cache(phantom: Path, tiny_plan: Plan, tmp_path: Path) -> Path:
    """A cache of three scans for one plan, of one of them for another, and what is left of one."""
    folder, cases = tmp_path / "cache", load_cohort(phantom).labelled
    prepare_cohort(cases, tiny_plan.updated({"name": "near"}), folder)
    prepare_cohort(cases[:1], tiny_plan.updated({"name": "far", "spacing": (2, 2, 2)}), folder)
    left = folder / "0a" / ("1" * 30) / ".partial-x"
    left.mkdir(parents=True)
    (left / "image.b2nd").write_bytes(bytes(2**20))
    (left.parent / "partial-7_1-case.json").touch()
    return folder


def test_it_tells_scans_and_size_by_plan(cache: Path, command_line: CommandLine) -> None:
    result = command_line("cache", "--cache", cache)
    assert result.code == 0, result.err
    rows = [line.split() for line in result.out.splitlines()]
    assert rows[0] == ["plan", "scans", "size"]
    assert ["far,", "2", "x", "2", "x", "2", "mm", "1"] in [row[:8] for row in rows]
    assert ["of", "none:", "left", "over", "1", "1.0", "MiB"] in rows
    assert f"{cache}: 5 prepared scans, " in result.out
    found = {Path(scan.scan).name for scan in list_cache(cache)}
    assert found == {"", *(case.images[0].name for case in load_cohort_of(cache))}


def load_cohort_of(cache: Path) -> tuple[Any, ...]:
    scans = [Path(scan.scan) for scan in list_cache(cache) if scan.scan]
    return load_cohort(scans[0].parent.parent).labelled


def test_it_empties_what_is_its_own_and_nothing_else(
    cache: Path, phantom: Path, tiny_plan: Plan, command_line: CommandLine
) -> None:
    own = cache / "0a" / "notes.txt"
    own.write_text("a person's")
    result = command_line("cache", "--cache", cache, "--empty")
    assert result.code == 0, result.err
    assert "5 prepared scans removed" in result.out
    assert [path for path in cache.rglob("*") if path.is_file()] == [own]
    case = load_cohort(phantom).labelled[0]
    (prepared,) = prepare_cohort([case], tiny_plan, cache)  # and is filled again
    assert np.isfinite(prepared.read((0, 0, 0), prepared.shape)[0]).all()


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, command_line: CommandLine) -> None:
    result = command_line("cache", "--cache", tmp_path / "none")
    assert result.code == 0
    assert result.out == f"{tmp_path / 'none'}: 0 prepared scans, 0.0 MiB\n"
