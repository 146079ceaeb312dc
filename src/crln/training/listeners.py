"""Who is told how a training goes: the bar, the table, TensorBoard, anybody's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from crln.runs import RunFolder
from crln.training.phases import Phase


@dataclass(frozen=True)
class Course:
    """What is known when a training starts, or goes on.

    Attributes:
        run: the run folder: its path, plan and facts.
        first: steps done before.
        total: steps in all.
        phases: in order; the last ends with `total`.
        notes: sentences about what is different from what a person may expect.
        stop: ends the training after the step that it is in; it is saved and can be resumed.

    Examples:
        >>> class Tell(crln.Listener):
        ...     def started(self, course):
        ...         print(course.total, "step:", [phase.name for phase in course.phases])
    """

    run: RunFolder
    first: int
    total: int
    phases: tuple[Phase, ...]
    notes: tuple[str, ...]
    stop: Callable[[], None]

    def phase(self, step: int) -> Phase:
        """The one that the step after `step` steps belongs to."""
        return next((each for each in self.phases if step < each.last), self.phases[-1])


class Listener:
    """Is told what happens, in the order of these methods; override those that you want.

    They are called between steps by the process that trains (of several the first), so what takes
    long is better done in a thread. An exception ends the training. With several `devices` a
    listener is sent to the process that trains: it must be picklable.

    Attributes:
        first_stage: True: it is told of a first stage, too, as of a training of its own: `started`,
            `row` and `saved`, before those of the training.

    Examples:
        >>> class Patience(crln.Listener):
        ...     "Stops when the validation score has not risen three times."
        ...     def started(self, course):
        ...         self.course, self.missed = course, 0
        ...     def validated(self, step, score, best):
        ...         self.missed = 0 if best else self.missed + 1
        ...         if self.missed == 3:
        ...             self.course.stop()
        >>> cohort = crln.split_cohort(crln.load_cohort("data"), validation=2)
        >>> plan = crln.make_plan(cohort)
        >>> run = crln.train(cohort, plan, "new-run", listeners=[Patience()], progress=False)
    """

    first_stage: ClassVar[bool] = False

    def prepared(self, done: int, of: int) -> None:
        """So many scans are prepared."""

    def started(self, course: Course) -> None:
        """The first step is about to be taken."""

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """`step` steps are done; means since the last row: losses, `lr`, `seconds` of a step."""

    def validated(self, step: int, score: float, best: bool) -> None:
        """The mean Dice (0..1) on the validation scans, and whether it is the best so far."""

    def saved(self, step: int) -> None:
        """A checkpoint was written."""

    def finished(self, run: RunFolder) -> None:
        """The training has reached its end; the folder holds its result."""

    def closed(self) -> None:
        """Always the last: after the end, a stop or a fault."""
