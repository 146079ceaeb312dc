"""How far a training is, for a person: a bar in a terminal, else a line a minute."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from crln.training.listeners import Course, Listener

EVERY = 60.0
"""Seconds between lines where there is no terminal."""


class Pace:
    """Seconds of a step in each phase, and what they make of the steps that are left."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.seconds: dict[str, float] = {}

    def note(self, step: int, seconds: float) -> None:
        """A row of the log: the last rows of a phase count most."""
        phase = self.course.phase(step - 1).name
        before = self.seconds.get(phase, seconds)
        self.seconds[phase] = 0.7 * before + 0.3 * seconds

    def left(self, step: int) -> str:
        """The time that the other steps take; a phase that is not yet measured takes more."""
        total, unknown, first = 0.0, False, step
        usual = self.seconds.get(self.course.phase(step - 1).name, 0.0)
        for phase in self.course.phases:
            steps = max(0, phase.last - first)
            first = max(first, phase.last)
            unknown |= bool(steps) and phase.name not in self.seconds
            total += steps * self.seconds.get(phase.name, usual)
        return f"{'more than ' if unknown else ''}{timedelta(seconds=round(total))}"


def taught(values: Mapping[str, float]) -> float:
    """The loss on labels, which both phases have; terms that come later do not raise it."""
    return values.get("supervised", values.get("total", float("nan")))


class Bar(Listener):
    """A bar that knows the phases."""

    first_stage = True

    def __init__(self, console: Console | None = None) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=12), MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"), console=console,
        )  # fmt: skip
        self._preparing = self._bar.add_task("preparing scans", note="", visible=False)
        self._training = self._bar.add_task("training", note="", visible=False)

    def prepared(self, done: int, of: int) -> None:
        """Moves the bar of preparation."""
        self._bar.start()
        self._bar.update(self._preparing, completed=done, total=of, visible=True)

    def started(self, course: Course) -> None:
        """Shows the bar of training."""
        self.pace = Pace(course)
        for note in course.notes:
            self._bar.console.print(note)
        self._bar.start()
        self._bar.update(self._preparing, visible=False)
        name = course.phase(course.first).name
        self._bar.update(
            self._training, description=name, completed=course.first, total=course.total,
            visible=True,
        )  # fmt: skip

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Moves it."""
        self.pace.note(step, values["seconds"])
        phase = self.pace.course.phase(step - 1)
        self._bar.update(
            self._training, completed=step, description=phase.name,
            note=f"{phase.loss} {taught(values):.3f}  {values['seconds']:.2f} s/step  "
            f"{self.pace.left(step)}",
        )  # fmt: skip

    def closed(self) -> None:
        """Leaves it as it is."""
        self._bar.stop()


class Lines(Listener):
    """A line a minute, and one where a phase begins.

    Args:
        say: prints a line.
        clock: seconds.
    """

    first_stage = True

    def __init__(
        self, say: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.say, self.clock = say, clock
        self.said = clock()
        self.phase = ""

    def prepared(self, done: int, of: int) -> None:
        """How many scans are prepared."""
        if self._minute_is_over():
            self.say(f"{done} of {of} scans prepared")

    def started(self, course: Course) -> None:
        """What is different from what may be expected."""
        self.pace = Pace(course)
        self.phase = course.phase(course.first).name
        for note in course.notes:
            self.say(note)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """The same as the bar shows."""
        self.pace.note(step, values["seconds"])
        phase = self.pace.course.phase(step - 1)
        if self._minute_is_over() or phase.name != self.phase:
            self.phase = phase.name
            self.say(
                f"step {step} of {self.pace.course.total}, {phase.name}: {phase.loss} "
                f"{taught(values):.3f}, {values['seconds']:.2f} s a step, "
                f"{self.pace.left(step)} left"
            )

    def _minute_is_over(self) -> bool:
        over = self.clock() - self.said >= EVERY
        if over:
            self.said = self.clock()
        return over


def show_progress() -> Listener:
    """The bar, or where nobody watches a terminal, lines."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    return Bar(console) if console.is_terminal else Lines(console.print)
