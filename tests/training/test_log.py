"""The table that a training leaves: a row at intervals, rows of a run that was cut off dropped."""

import csv
from pathlib import Path

import pytest
import torch

from crln.training.log import Log, NotFiniteError


def log(path: Path, first: int = 0, every: int = 2) -> Log:
    return Log(path, total=8, first=first, every=every, show=False)


def add(to: Log, step: int, loss: float) -> None:
    to.add(step, {"total": torch.tensor(loss)}, [f"case {step}"], seconds=0.5)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_a_row_is_the_mean_of_the_steps_since_the_last(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    ours = log(path)
    for step, loss in enumerate([1.0, 3.0, 5.0]):
        add(ours, step, loss)
        assert ours.due == (step == 1)
        if ours.due:
            ours.flush(rate=0.1)
    ours.flush(rate=0.2)
    ours.flush(rate=0.3)  # nothing waits: no row
    ours.row(3, {"validation": 0.75})
    ours.close()
    first, second, third = rows(path)
    assert first == {
        "step": "2", "total": "2", "lr": "0.1", "seconds": "0.5", "validation": "",
    }  # fmt: skip
    assert (second["step"], second["total"], second["lr"]) == ("3", "5", "0.2")
    assert (third["step"], third["total"], third["validation"]) == ("3", "", "0.75")


def test_rows_past_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for first in (0, 2):  # the run was cut off after step 4, its checkpoint is of step 2
        ours = log(path, first)
        for step in range(first, first + 4):
            add(ours, step, float(first))
            if ours.due:
                ours.flush(rate=0.1)
        ours.close()
    assert [(row["step"], row["total"]) for row in rows(path)] == [
        ("2", "0"), ("4", "2"), ("6", "2"),
    ]  # fmt: skip


def test_a_loss_that_is_not_finite_names_its_step_and_cases_and_leaves_no_row(
    tmp_path: Path,
) -> None:
    ours = log(tmp_path / "log.csv")
    add(ours, 4, 1.0)
    add(ours, 5, float("inf"))
    with pytest.raises(NotFiniteError, match=r"step 5: .*\(total\); cases case 5: look"):
        ours.flush(rate=0.1)
    ours.close()
    assert rows(tmp_path / "log.csv") == []
