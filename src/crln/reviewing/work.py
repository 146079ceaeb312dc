"""A round of learning, in a process of its own: train, measure, outline what is not accepted."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from crln.errors import CrlnError, reason
from crln.files import claim
from crln.reviewing.outlining import outline, outline_case
from crln.reviewing.places import Places
from crln.reviewing.project import Project
from crln.reviewing.rounds import NO_MODEL, Round
from crln.reviewing.teaching import SECONDS, StoppedError, finished, learn, measure


def work(folder: Path, number: int) -> None:
    """Does a round; whatever comes of it is in its `progress.yaml`.

    Args:
        folder: of the project.
        number: of the round.
    """
    round = Round(Places(folder), number)
    with claim(round.lock, wait=False) as ours:
        if not ours:
            return
        end = {"stage": "stopped"}  # by a signal
        try:
            with _watched(round) as stop:
                if learn(round, stop) and not stop.is_set():
                    measure(round, stop)
                    outline(round, stop)
                end = {"stage": "stopped" if stop.is_set() else "done"}
        except StoppedError:
            pass
        except Exception as fault:
            message = str(fault) if isinstance(fault, CrlnError) else reason(fault)
            end = {"stage": "failed", "message": message}
            raise
        finally:
            round.tell(round.progress().model_copy(update=end))


def outline_alone(folder: Path, case: str) -> None:
    """Outlines one case with the last model that there is, as its round would have.

    Args:
        folder: of the project.
        case: its id.

    Raises:
        CrlnError: no round has a model yet, or the scan cannot be outlined.
    """
    project = Project(folder)
    rounds = [Round(project.places, number) for number in reversed(project.places.rounds())]
    found = next((round for round in rounds if round.order().run or finished(round.run)), None)
    if found is None:
        raise CrlnError(NO_MODEL)
    outline_case(found, project.case(case))


def lower_priority() -> None:
    """So that the page stays quick while this process has every processor."""
    process = psutil.Process()
    try:
        below = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", None)
        process.nice(below if os.name == "nt" and below is not None else 10)
    except (psutil.Error, OSError):  # a system that does not let it
        pass


@contextmanager
def _watched(round: Round) -> Iterator[threading.Event]:
    """An event that is set once the round is asked to stop, by whatever process."""
    stop, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(SECONDS):
            if round.stop.exists():
                stop.set()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        ended.set()
        watcher.join()
