"""How far a comparison is, by the logs of its cells."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crln.comparison.standing import Standing
from crln.planning import Plan


def cell(folder: Path, method: str, *rows: tuple[int, float]) -> Any:
    """A cell of 100 steps whose log has these steps and seconds."""
    path = folder / f"{method}-8-0"
    if rows:
        path.mkdir()
        lines = [f"{step},0.5,{seconds}" for step, seconds in rows]
        (path / "log.csv").write_text("\n".join(["step,total,seconds", *lines, f"{rows[-1][0]},,"]))
    return SimpleNamespace(
        name=path.name, folder=path, variant=SimpleNamespace(name=method),
        plan=Plan().updated({"training": {"iterations": 100}}),
    )  # fmt: skip


def test_before_anything_is_known_it_tells_the_count(tmp_path: Path) -> None:
    assert Standing([cell(tmp_path, "a"), cell(tmp_path, "b")], 1).line() == "0 of 2 cells done"


@pytest.mark.parametrize(("places", "left"), [(1, "0:11:40"), (2, "0:05:50")])
def test_the_time_left_is_that_of_every_cells_own_method(
    tmp_path: Path, places: int, left: str
) -> None:
    cells = [
        cell(tmp_path, "done", (100, 9.0)),
        cell(tmp_path, "slow", (10, 3.0), (50, 5.0)),  # 50 steps of 4 s are left
        cell(tmp_path, "over", (100, 2.0)),
        cell(tmp_path, "next"),  # 100 steps, at the mean of the others' 9, 4 and 2 s
    ]
    standing = Standing(cells, places)
    standing.ended.add("done-8-0")
    assert standing.line() == (
        "1 of 4 cells done; slow-8-0 step 50 of 100, over-8-0 outlines; "
        f"about {left} of learning left"
    )


def test_a_log_that_is_just_being_written_is_no_fault(tmp_path: Path) -> None:
    half = cell(tmp_path, "half", (10, 2.0))
    (half.folder / "log.csv").write_text("step,total,seconds\n10,0.5,2.0\n2")
    assert "half-8-0" in Standing([half], 1).line()
