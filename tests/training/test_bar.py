"""What a person is shown: the phase, the loss that both phases have, and the time that is left."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from crln.planning import Plan
from crln.runs import Facts, RunFolder
from crln.training.bar import Bar, Lines, Pace, show_progress
from crln.training.listeners import Course, Phase

RUN = RunFolder(Path("run"), Plan(), Facts(method="crln", seed=0))
PHASES = (Phase("labels alone", 40), Phase("all scans", 100))


def course(first: int = 0, notes: tuple[str, ...] = ()) -> Course:
    return Course(RUN, first, 100, PHASES, notes, lambda: None)


def values(supervised: float, total: float, seconds: float) -> dict[str, float]:
    return {"total": total, "supervised": supervised, "lr": 0.1, "seconds": seconds}


def test_a_step_belongs_to_the_phase_that_it_teaches_in() -> None:
    assert [course().phase(step).name for step in (0, 39, 40, 99, 100)] == [
        "labels alone", "labels alone", "all scans", "all scans", "all scans",
    ]  # fmt: skip


def test_the_time_left_is_the_sum_of_both_phases() -> None:
    pace = Pace(course())
    pace.note(10, 2.0)
    assert pace.left(10) == "more than 0:03:00"  # 30 and 60 steps of 2 s: the others are unknown
    pace.note(50, 4.0)
    assert pace.left(50) == "0:03:20"  # 50 steps of 4 s
    assert pace.left(20) == "0:04:40"  # 20 of 2 s and 60 of 4 s


def test_lines_come_once_a_minute_and_where_a_phase_begins() -> None:
    now, said = [0.0], []
    lines = Lines(said.append, lambda: now[0])
    lines.started(course(notes=("goes on after step 4",)))
    for step, seconds in ((10, 59.0), (20, 61.0), (30, 70.0), (50, 75.0), (60, 80.0)):
        now[0] = seconds
        lines.row(step, values(0.5 - step / 1000, 2.0, 2.0))
    assert said == [
        "goes on after step 4",
        "step 20 of 100, labels alone: supervised loss 0.480, 2.00 s a step, "
        "more than 0:02:40 left",
        "step 50 of 100, all scans: supervised loss 0.450, 2.00 s a step, 0:01:40 left",
    ]


def test_the_bar_shows_phase_supervised_loss_and_time_in_80_columns() -> None:
    text = io.StringIO()
    bar = Bar(Console(file=text, width=80, force_terminal=True, color_system=None))
    bar.started(course())
    bar.row(10, values(0.412, 1.7, 2.0))
    bar.row(50, values(0.4, 3.9, 2.0))
    bar.closed()
    last = next(line for line in text.getvalue().splitlines()[::-1] if "/" in line)
    assert "all scans" in last
    assert "50/100" in last
    assert "loss 0.400" in last
    assert "3.9" not in last
    assert "0:01:40" in last


def test_preparing_scans_has_a_bar() -> None:
    text = io.StringIO()
    bar = Bar(Console(file=text, width=80, force_terminal=True, color_system=None))
    bar.prepared(1, 2)
    bar.closed()
    assert re.search(r"preparing scans .* 1/2", text.getvalue())


def test_a_method_of_one_term_shows_that(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    lines = Lines(said.append, lambda: 61.0 * (1 + len(said)))
    lines.said = 0.0
    lines.started(Course(RUN, 0, 8, (Phase("labels alone", 8),), (), lambda: None))
    lines.row(4, {"total": 0.25, "seconds": 1.0})
    assert said == ["step 4 of 8, labels alone: supervised loss 0.250, 1.00 s a step, 0:00:04 left"]


def test_a_first_stage_is_a_phase_of_its_own_and_has_no_supervised_loss() -> None:
    said: list[str] = []
    lines = Lines(said.append, lambda: 61.0 * (1 + len(said)))
    lines.said = 0.0
    phase = Phase("first stage: masked", 8, "loss")
    lines.started(Course(RUN, 0, 8, (phase,), (), lambda: None))
    lines.row(8, {"total": 0.25, "seconds": 1.0})
    lines.started(course())
    lines.row(10, values(0.5, 0.75, 1.0))
    assert said[0] == "step 8 of 8, first stage: masked: loss 0.250, 1.00 s a step, 0:00:00 left"
    assert said[1].startswith("step 10 of 100, labels alone: supervised loss 0.500")


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(show_progress(), Lines)
