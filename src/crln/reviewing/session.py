"""A review from Python: the page in a notebook's frame, or in any browser."""

import atexit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from crln.reviewing.begin import find_project
from crln.reviewing.serving import NOTEBOOK, Service, serving

if TYPE_CHECKING:
    from crln.reviewing.project import Project

_HEIGHT = 760


class Review:
    """A server that answers until it is closed; shown in a notebook, it is the page.

    Attributes:
        url: of the page.

    Examples:
        >>> with crln.review("data", say=str) as session:
        ...     session.project.status("case_07")
        'new'
    """

    def __init__(self, service: Service, close: Callable[[], None]) -> None:
        self._service, self._close = service, close
        self.url = service.url
        atexit.register(close)

    @property
    def project(self) -> "Project":
        """What is reviewed."""
        return self._service.project

    def close(self) -> None:
        """Ends the server; what was decided is on the disk."""
        self._close()
        atexit.unregister(self._close)

    def __enter__(self) -> "Review":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """The page, in a frame."""
        return (
            f'<iframe src="{escape(self.url)}" width="100%" height="{_HEIGHT}" '
            'title="crln review" style="border:0"></iframe>'
        )


def review(
    data: Path | str,
    project: Path | str | None = None,
    *,
    run: Path | str | None = None,
    classes: Sequence[str] = (),
    by: str | None = None,
    port: int = 0,
    folds: int | None = None,
    say: Callable[[str], object] = print,
) -> Review:
    """Opens the page that finishes a cohort, and answers for it in the background.

    Args:
        data: scans and labels of any layout, or the folder of a project.
        project: the folder to keep everything in; default beside the data, `data-review`.
        run: a run folder or ensemble to begin with.
        classes: names of the structures, where there is no label yet.
        by: who decides; default this account's name.
        port: that it listens on, on this machine alone; 0: any that is free.
        folds: parts of the labelled cases that each round leaves out in turn, to measure itself
            by, from now on; 1: none are.
        say: told what is done, a line at a time.

    Returns:
        The session: show it in a notebook, or open its `url`; close it at the end.

    Raises:
        CrlnError: the data has a fault, or another process holds the project.

    Examples:
        >>> session = crln.review("data", say=str)
        >>> session.url.startswith("http://127.0.0.1:")
        True
        >>> session.close()
    """
    places = find_project(
        Path(data), Path(project) if project else None, run=Path(run) if run else None,
        classes=list(classes), say=say,
    )  # fmt: skip
    with ExitStack() as stack:
        service = stack.enter_context(
            serving(places, port=port, by=by, frames=NOTEBOOK, folds=folds)
        )
        return Review(service, stack.pop_all().close)
