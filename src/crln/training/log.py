"""What a training says: a progress bar, a CSV row at intervals, TensorBoard."""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from crln.errors import CrlnError


class NotFiniteError(CrlnError):
    """A loss became NaN or infinite."""


class Log:
    """Gathers losses on the device and reads them every `every` steps, so that a step never waits.

    Args:
        path: the CSV file; rows at or past `first` (of a run that was cut off) are dropped.
        total: steps of the run.
        first: the first step of this session.
        every: steps between rows.
        show: whether to draw a progress bar.
    """

    def __init__(self, path: Path, total: int, first: int, every: int, show: bool) -> None:
        self.path, self.every = path, every
        kept = _rows_before(path, first)
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer: csv.DictWriter[str] | None = None
        if kept:
            self._start(list(kept[0])).writerows(kept)
        from torch.utils.tensorboard import SummaryWriter  # slow to import, and only needed here

        self._board = SummaryWriter(str(path.parent / "tensorboard"), purge_step=first)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            disable=not show,
        )
        self._task = self._bar.add_task("training", total=total, completed=first, note="")
        self._bar.start()
        self._pending: list[tuple[int, tuple[str, ...], list[Tensor]]] = []
        self._names: list[str] = []
        self._seconds = 0.0

    def _start(self, fields: list[str]) -> "csv.DictWriter[str]":
        self._writer = csv.DictWriter(self._file, fields, restval="")
        self._writer.writeheader()
        return self._writer

    def add(
        self, step: int, losses: dict[str, Tensor], cases: Sequence[str], seconds: float
    ) -> None:
        """Notes one step's losses, still on the device, and the seconds it took."""
        self._seconds += seconds
        self._names = list(losses)
        values = [losses[name].detach() for name in self._names]
        self._pending.append((step, tuple(cases), values))

    @property
    def due(self) -> bool:
        """Whether a row's worth of steps is waiting."""
        return len(self._pending) >= self.every

    def flush(self, rate: float) -> None:
        """Writes the mean of the waiting steps as one row.

        Raises:
            NotFiniteError: a loss was NaN or infinite; names its step and cases.
        """
        if not self._pending:
            return
        table = torch.stack([torch.stack(values) for _, _, values in self._pending]).cpu()
        bad = (~table.isfinite()).any(1)
        if bad.any():
            step, cases, values = self._pending[int(bad.float().argmax())]
            names = [n for n, v in zip(self._names, values, strict=True) if not v.isfinite()]
            raise NotFiniteError(
                f"step {step}: the loss is not finite ({', '.join(names)}); "
                f"cases {', '.join(cases)}: look at these scans, or lower training.lr in the plan"
            )
        seconds = self._seconds / len(self._pending)
        row = dict(zip(self._names, table.mean(0).tolist(), strict=True))
        step = self._pending[-1][0] + 1
        self.row(step, {**row, "lr": rate, "seconds": seconds})
        note = f"loss {row['total']:.3f}  {seconds:.2f} s/step"
        self._bar.update(self._task, completed=step, note=note)
        self._pending.clear()
        self._seconds = 0.0

    def row(self, step: int, values: dict[str, float]) -> None:
        """Appends one CSV row and the same to TensorBoard."""
        writer = self._writer or self._start(["step", *values, "validation"])
        writer.writerow({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
        self._file.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes files and the bar."""
        self._bar.stop()
        self._board.close()
        self._file.close()


def _rows_before(path: Path, first: int) -> list[dict[str, str]]:
    if not path.exists() or first == 0:
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= first]
