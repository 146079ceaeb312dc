"""A project and the server that shows it, together for as long as somebody works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crln.jobs import Jobs
from crln.reviewing.begin import opened
from crln.reviewing.learning import Learning
from crln.reviewing.places import Places
from crln.reviewing.project import Project
from crln.reviewing.rounds import Order
from crln.reviewing.server.app import App
from crln.reviewing.server.http import Server
from crln.reviewing.server.slicer import SlicerAnswers
from crln.reviewing.settings import resolved

NOTEBOOK = "http://localhost:* http://127.0.0.1:*"
"""Who may show the page in a frame, where a notebook does."""


@dataclass(frozen=True)
class Service:
    """A server that answers.

    Attributes:
        url: of the page, with its token.
        port: that it listens on.
        project: that it shows.
        learning: the rounds of the project.
    """

    url: str
    port: int
    project: Project
    learning: Learning


@contextmanager
def serving(
    places: Places,
    *,
    port: int = 0,
    by: str | None = None,
    usual: Order | None = None,
    jobs: Jobs | None = None,
    frames: str = "'none'",
    slicer: bool = False,
    folds: int | None = None,
) -> Iterator[Service]:
    """Holds a project and answers for it; at the end a round at work is asked to stop.

    Args:
        places: of the project.
        port: 0: any that is free.
        by: who decides.
        usual: what a round is told unless somebody asks for something else.
        jobs: where rounds run.
        frames: origins that may show the page in a frame.
        slicer: answer 3D Slicer, too.
        folds: parts of the labelled cases that rounds leave out in turn, from now on; 1: none are.

    Raises:
        CrlnError: another process holds the project, the port is taken, or a file is damaged.
    """
    with opened(places, by) as project:
        if folds is not None:
            project.change_settings(folds=folds if folds > 1 else None)
        learning = Learning(project, usual or Order(), jobs or Jobs())
        app = App(project, learning)
        server = Server(SlicerAnswers(app) if slicer else app, port, frames=frames)
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            given = project.settings.run
            if given and not places.rounds():
                learning.outline_with(Path(resolved(given, places)))
            yield Service(server.url, server.gate.port, project, learning)
        finally:
            server.shutdown()
            server.server_close()
            learning.close()
