"""A training that is asked to stop finishes its step; others keep the signals they have taken."""

import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from crln.errors import Interrupted
from crln.training.stop import Stop

pytestmark = pytest.mark.slow

ONE = SimpleNamespace(world_size=1)


def several(told: list[bool], said: bool) -> Any:
    """Processes whose first says this."""
    return SimpleNamespace(world_size=2, broadcast=lambda value: told.append(value) or said)


def test_another_thread_may_ask() -> None:
    event = threading.Event()
    stop = Stop(event)
    assert not stop.agreed(ONE, at_row=False)  # type: ignore[arg-type]
    event.set()
    assert stop.agreed(ONE, at_row=False)  # type: ignore[arg-type]


def test_several_processes_ask_the_first_at_the_rows_of_the_log() -> None:
    told: list[bool] = []
    stop = Stop()
    stop.ask()
    assert not stop.agreed(several(told, True), at_row=False)
    assert told == []
    assert stop.agreed(several(told, True), at_row=True)
    assert not stop.agreed(several(told, False), at_row=True)
    assert told == [True, True]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_asks_once_and_then_does_what_it_did_before(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    stop = Stop()
    with stop.on_signals():
        assert signal.getsignal(number) != before
        os.kill(os.getpid(), number)
        assert stop.agreed(ONE, at_row=False)  # type: ignore[arg-type]
        assert signal.getsignal(number) == before
    assert "finishing this step and saving" in capsys.readouterr().err
    with pytest.raises(Interrupted, match=r"run: stopped after step 3 of 8.*--resume goes on") as e:
        stop.raise_if_interrupted("run", 3, 8)
    assert e.value.code == code
    assert isinstance(e.value, KeyboardInterrupt)


def test_what_is_not_a_signal_raises_nothing() -> None:
    stop = Stop()
    stop.ask()
    stop.raise_if_interrupted("run", 3, 8)


def test_a_handler_of_somebody_else_stays() -> None:
    def theirs(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with Stop().on_signals():
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_leave_signals_alone() -> None:
    found = []

    def look() -> None:
        with Stop().on_signals():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]
