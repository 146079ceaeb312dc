"""The page of a run folder, written while it trains and at its end."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from crln.cohort import Cohort
from crln.report.gallery import PAGE, check_own
from crln.report.seldom import Seldom
from crln.report.story import MARK, write_story, written_by_person
from crln.runs import RunFolder, is_ensemble, open_ensemble, open_run
from crln.training.ensemble_page import write_ensemble_page
from crln.training.examples import example_cards
from crln.training.listeners import Course, Listener
from crln.training.options import Training
from crln.training.story import story_of

EVERY, SELDOM = 180.0, 200.0
"""Seconds from one writing to the next, at least; and so many times what it took."""


class RunPage(Listener):
    """Writes `index.html` of the run folder: now and then, and with examples at its end.

    Args:
        cohort: that is learnt from.
        out: the run folder.
        options: of the training.
        clock: seconds.

    Raises:
        CrlnError: a file of a person has the page's name.
    """

    def __init__(
        self,
        cohort: Cohort,
        out: Path,
        options: Training,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_own(out / PAGE, MARK)
        self._intended = written_by_person(out)  # a run that is replaced is the same person's
        self._cohort, self._options, self._clock = cohort, options, clock
        self._course: Course | None = None
        self._step = 0

    def started(self, course: Course) -> None:
        """Notes the course."""
        self._course, self._step = course, course.first
        self._seldom = Seldom(EVERY, SELDOM, self._clock)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the page if the last writing is long ago."""
        self._step = step
        self._seldom.do(self._write_state)

    def finished(self, run: RunFolder) -> None:
        """Writes it with examples."""
        self._course = None
        cards = example_cards(run.path, self._cohort, self._options, run.facts.seconds or 0.0)
        write_story(run.path, story_of(run), cards, self._intended)

    def closed(self) -> None:
        """Where it was stopped, says so."""
        self._write_state()

    def _write_state(self) -> None:
        if self._course:
            run = self._course.run
            write_story(run.path, story_of(run, self._step), (), self._intended)


def write_page(folder: Path | str) -> Path:
    """Writes the page of a training again, as after `card.md` has been filled in.

    Args:
        folder: of a run, or of an ensemble, that has come to its end.

    Returns:
        The page.

    Raises:
        CrlnError: the folder is neither, or has not come to its end; or a file of a person has the
            page's name.

    Examples:
        >>> crln.write_page("run").name
        'index.html'
    """
    folder = Path(folder)
    check_own(folder / PAGE, MARK)
    if is_ensemble(folder):
        write_ensemble_page(open_ensemble(folder))
    else:
        run = open_run(folder)
        if not run.finished:
            run.check_seal()  # says what is missing
        write_story(folder, story_of(run))
    return folder / PAGE
