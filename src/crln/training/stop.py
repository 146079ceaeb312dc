"""A training that is asked to stop: by a listener, another thread, Ctrl-C or SIGTERM."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lightning_fabric import Fabric

from crln.errors import Interrupted

CATCHABLE = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""Signals that end a training after its step, and whose they are where nobody has taken them."""


class Stop:
    """Whether the training is to stop, and why.

    Args:
        asked: an event that another thread of this process may set.
    """

    def __init__(self, asked: threading.Event | None = None) -> None:
        self._asked = asked or threading.Event()
        self.signal: int | None = None

    def ask(self) -> None:
        """Stops after the step that is being taken."""
        self._asked.set()

    def agreed(self, fabric: Fabric, at_row: bool) -> bool:
        """Whether to stop here; several processes ask the first one, at the rows of the log."""
        if fabric.world_size == 1:
            return self._asked.is_set()
        return at_row and fabric.broadcast(self._asked.is_set())

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask to stop; a second one does at once what it did before.

        Only in the main thread, and only where nobody else has taken the signal: submitit, for one,
        has its own way to end a job.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        free = {n: usual for n, usual in CATCHABLE.items() if signal.getsignal(n) == usual}

        def give_back() -> None:
            for number, usual in free.items():
                signal.signal(number, usual)

        def ask(number: int, frame: FrameType | None) -> None:
            give_back()
            self.signal = number
            self.ask()
            name = "interrupted" if number == signal.SIGINT else signal.Signals(number).name
            again = "; once more ends it at once" if number == signal.SIGINT else ""
            print(f"\n{name}: finishing this step and saving{again}", file=sys.stderr, flush=True)

        for number in free:
            signal.signal(number, ask)
        try:
            yield
        finally:
            give_back()

    def raise_if_interrupted(self, out: object, step: int, total: int) -> None:
        """Ends as the signal would have, once the run is saved.

        Raises:
            Interrupted: a signal was what stopped it.
        """
        if self.signal is not None:
            raise Interrupted(
                f"{out}: stopped after step {step} of {total}, which is saved; the same command "
                "with --resume goes on",
                self.signal,
            )
