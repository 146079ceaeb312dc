"""The table of a training: losses gathered on the device, a row at intervals."""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crln.errors import CrlnError, needs
from crln.training.listeners import Course, Listener

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class NotFiniteError(CrlnError):
    """A loss became NaN or infinite."""


def check_terms(method: str, found: Collection[str], before: Collection[str]) -> None:
    """Refuses what a method calls its losses, where that cannot be learnt or logged.

    Args:
        method: its name, for a person.
        found: what the losses of a step are called.
        before: the same of the steps before; empty: this is the first.

    Raises:
        CrlnError: there is no `total`, or the steps before had other losses.
    """
    if "total" not in found:
        raise CrlnError(
            f"method {method}: none of its losses ({', '.join(found)}) is called total; call what "
            "is minimised so"
        )
    if before and set(found) != set(before):
        raise CrlnError(
            f"method {method}: a step has the losses {', '.join(found)}, those before it had "
            f"{', '.join(before)}; give every step the same ones, 0 where one has no part"
        )


class Losses:
    """Gathers losses on the device and reads them every `every` steps, so that a step never waits.

    Args:
        every: steps between rows.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._pending: list[tuple[int, tuple[str, ...], list[Tensor]]] = []
        self._names: list[str] = []
        self._seconds = 0.0

    def add(
        self, step: int, losses: Mapping[str, Tensor], cases: Sequence[str], seconds: float
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

    def take(self, rate: float) -> dict[str, float]:
        """The means of the waiting steps, `lr` and `seconds` of a step; empty where none waits.

        Raises:
            NotFiniteError: a loss was NaN or infinite; names its step and cases.
        """
        if not self._pending:
            return {}
        table = torch.stack([torch.stack(values) for _, _, values in self._pending]).cpu()
        bad = (~table.isfinite()).any(1)
        if bad.any():
            step, cases, values = self._pending[int(bad.float().argmax())]
            names = [n for n, v in zip(self._names, values, strict=True) if not v.isfinite()]
            raise NotFiniteError(
                f"step {step}: the loss is not finite ({', '.join(names)}); cases "
                f"{', '.join(cases)}: look at these scans, or lower training.lr in the plan and "
                "--resume"
            )
        row = dict(zip(self._names, table.mean(0).tolist(), strict=True))
        row |= {"lr": rate, "seconds": self._seconds / len(self._pending)}
        self._pending.clear()
        self._seconds = 0.0
        return row


class Table(Listener):
    """Writes each row to a CSV file; rows past a checkpoint that is gone on from are dropped.

    Raises:
        CrlnError: the run that is gone on with has a table of other columns.
    """

    first_stage = True

    def started(self, course: Course) -> None:
        """Opens the file; what a run that was cut off had written stays."""
        self.closed()  # that of a first stage
        path = self._path = course.run.log
        kept = _rows_before(path, course.first)
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer: csv.DictWriter[str] | None = None
        if kept:
            self._start(list(kept[0])).writerows(kept)

    def _start(self, fields: list[str]) -> "csv.DictWriter[str]":
        self._writer = csv.DictWriter(self._file, fields, restval="")
        self._writer.writeheader()
        return self._writer

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Appends it."""
        writer = self._writer or self._start(["step", *values, "validation"])
        if new := [name for name in values if name not in writer.fieldnames]:
            raise CrlnError(
                f"{self._path}: has no column for {', '.join(new)}: the run was begun by another "
                "version of its method; resume it with that, or begin another run"
            )
        writer.writerow({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
        self._file.flush()

    def validated(self, step: int, score: float, best: bool) -> None:
        """Appends the score."""
        self.row(step, {"validation": score})

    def closed(self) -> None:
        """Closes the file, if it was opened."""
        if hasattr(self, "_file"):
            self._file.close()


class TensorBoard(Listener):
    """Writes the same rows for TensorBoard.

    Raises:
        CrlnError: it is not installed.
    """

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None
        with needs("tensorboard", "--tensorboard"):
            import tensorboard  # noqa: F401

    def started(self, course: Course) -> None:
        """Opens its folder."""
        from torch.utils.tensorboard import SummaryWriter

        folder = course.run.path / "tensorboard"
        self._writer = SummaryWriter(str(folder), purge_step=course.first)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """A point on each curve."""
        assert self._writer
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def validated(self, step: int, score: float, best: bool) -> None:
        """A point on the score's curve."""
        self.row(step, {"validation": score})

    def closed(self) -> None:
        """Closes its files."""
        if self._writer:
            self._writer.close()


def _rows_before(path: Path, first: int) -> list[dict[str, str]]:
    if not path.exists() or first == 0:
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= first]
