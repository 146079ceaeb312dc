"""The table that a training leaves: a row at intervals, rows of a run that was cut off dropped."""

import csv
import sys
from pathlib import Path

import pytest
import torch

from crln.errors import CrlnError
from crln.planning import Plan
from crln.runs import Facts, RunFolder
from crln.training.listeners import Course, Phase
from crln.training.log import Losses, NotFiniteError, Table, TensorBoard


def course(path: Path, first: int = 0) -> Course:
    run = RunFolder(path, Plan(), Facts(method="supervised", seed=0))
    return Course(run, first, 8, (Phase("labels alone", 8),), (), lambda: None)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


def test_a_row_is_the_mean_of_the_steps_since_the_last() -> None:
    losses = Losses(every=2)
    for step, loss in enumerate([1.0, 3.0]):
        assert not losses.due
        losses.add(step, {"total": torch.tensor(loss)}, ["a"], seconds=0.25 + step)
    assert losses.due
    assert losses.take(rate=0.1) == {"total": 2.0, "lr": 0.1, "seconds": 0.75}
    assert losses.take(rate=0.1) == {}


def test_a_loss_that_is_not_finite_names_its_step_and_cases() -> None:
    losses = Losses(every=2)
    losses.add(4, {"total": torch.tensor(1.0)}, ["case 4"], seconds=0.5)
    losses.add(5, {"total": torch.tensor(float("inf"))}, ["case 5"], seconds=0.5)
    with pytest.raises(NotFiniteError, match=r"step 5: .*\(total\); cases case 5: look"):
        losses.take(rate=0.1)


def test_the_table_has_a_row_for_each_and_an_empty_cell_for_what_it_has_not(
    tmp_path: Path,
) -> None:
    table = Table()
    table.started(course(tmp_path))
    table.row(2, {"total": 2.0, "lr": 0.1, "seconds": 0.5})
    table.validated(2, 0.75, best=True)
    table.closed()
    empty = dict.fromkeys(["total", "lr", "seconds"], "")
    assert rows(tmp_path) == [
        {"step": "2", "total": "2", "lr": "0.1", "seconds": "0.5", "validation": ""},
        {"step": "2", "validation": "0.75", **empty},
    ]


def test_rows_past_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    for first in (0, 2):  # the run was cut off after step 4, its checkpoint is of step 2
        table = Table()
        table.started(course(tmp_path, first))
        for step in (first + 2, first + 4):
            table.row(step, {"total": float(first)})
        table.closed()
    assert [(row["step"], row["total"]) for row in rows(tmp_path)] == [
        ("2", "0"), ("4", "2"), ("6", "2"),
    ]  # fmt: skip


def test_a_table_that_a_run_began_with_other_losses_is_told(tmp_path: Path) -> None:
    table = Table()
    table.started(course(tmp_path))
    table.row(2, {"total": 1.0, "crossed": 0.5})
    table.closed()
    resumed = Table()
    resumed.started(course(tmp_path, first=2))
    with pytest.raises(CrlnError, match=r"log\.csv: has no column for agreement: .*another run$"):
        resumed.row(4, {"total": 1.0, "agreement": 0.5})
    resumed.closed()
    assert [row["step"] for row in rows(tmp_path)] == ["2"]


def test_a_table_that_was_never_opened_can_be_closed() -> None:
    Table().closed()


def test_tensorboard_has_a_curve_for_each_term(tmp_path: Path) -> None:
    event_file = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = TensorBoard()
    board.started(course(tmp_path))
    board.row(2, {"total": 2.0, "lr": 0.5})
    board.validated(2, 0.75, best=True)
    board.closed()
    found = event_file.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    curves = {n: [(e.step, e.value) for e in found.Scalars(n)] for n in found.Tags()["scalars"]}
    assert curves == {"total": [(2, 2.0)], "lr": [(2, 0.5)], "validation": [(2, 0.75)]}


def test_without_tensorboard_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(CrlnError, match=r"pip install 'crln\[tensorboard\]'"):
        TensorBoard()
