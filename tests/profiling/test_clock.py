import pytest
import torch

from crln.profiling import clock as clock_module
from crln.profiling.clock import Clock, Timing, repeat

pytestmark = pytest.mark.slow


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock's hand: one number, to be moved."""
    hand = [0.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: hand[0])
    return hand


def test_a_part_is_counted_without_the_parts_within_it(now: list[float]) -> None:
    clock = Clock()
    with clock.part("outer"):
        now[0] += 1
        with clock.part("inner"):
            now[0] += 10
        now[0] += 2
    now[0] += 100  # nothing runs
    with clock.part("inner"):
        now[0] += 20
    assert clock.seconds == {"outer": 3, "inner": 30}


def test_a_part_within_itself_is_counted_once(now: list[float]) -> None:
    clock = Clock()
    with clock.part("a"):
        with clock.part("a"):
            now[0] += 1
            with clock.part("b"):
                now[0] += 5
        now[0] += 1
    assert clock.seconds == {"a": 2, "b": 5}


def test_a_part_that_raises_ends(now: list[float]) -> None:
    clock = Clock()

    def fail() -> None:
        now[0] += 4
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        clock.part("failing")(fail)()
    with clock.part("next"):
        now[0] += 1
    assert clock.seconds == {"failing": 4, "next": 1}


def test_a_part_decorates_a_call_that_may_be_repeated_within_itself(now: list[float]) -> None:
    clock = Clock()

    def halve(value: int) -> int:
        now[0] += 1
        return value if value % 2 else part(value // 2)

    part = clock.part("a")(halve)
    assert [part(12), part(8)] == [3, 1]
    assert clock.seconds == {"a": 3 + 4}


def test_a_gpu_is_waited_for_at_both_ends(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    clock = Clock("cuda")
    with clock.part("a"), clock.part("a"), clock.part("b"):
        pass
    assert waits == [torch.device("cuda")] * 4  # into a, into b, back to a, out


def test_repeats_leave_out_the_warm_up(now: list[float]) -> None:
    durations = iter([100.0, 1.0, 4.0, 2.0])

    def call() -> None:
        now[0] += next(durations)

    assert repeat(call, repeats=3) == Timing(median=2.0, spread=3.0, repeats=3)
