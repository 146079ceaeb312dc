import gc
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from crln import memory

PROBE = """
import resource, sys
from crln.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
import torch
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(1 << 24) for _ in range(2)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first, *_, settled = (faults() for _ in range(16))  # the heap grows for a few rounds, then stays
print(kept, first, settled)
"""


def probe(mode: str) -> tuple[str, int, int]:
    command = [sys.executable, "-c", PROBE, mode]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept, first, settled = output.split()
    return kept, int(first), int(settled)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_not_faulted_in_again() -> None:
    kept, first, settled = probe("keep")
    if kept == "False":
        pytest.skip("not glibc")
    assert first > 1000  # 128 MiB touched for the first time
    assert settled < first / 100
    assert probe("plain")[2] > first / 2  # without it, the pages are faulted in every time


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert memory.keep_freed_memory() is False


def test_what_is_held_is_at_most_the_peak_and_that_is_at_most_the_machine() -> None:
    # The kernel counts in batches: a little apart.
    assert 0.01 < memory.held_gib() < 1.05 * memory.peak_gib()
    assert memory.peak_gib() < memory.installed_gib()
    assert memory.page_faults() > 0


class _Information:
    """What psutil tells of a process on Windows."""

    rss, peak_wset, num_page_faults = 2 * 2**30, 3 * 2**30, 17


def test_windows_is_asked_through_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # as where there is no such module
    monkeypatch.setattr("psutil.Process.memory_info", lambda _: _Information())
    assert memory.held_gib() == 2
    assert memory.peak_gib() == 3
    assert memory.page_faults() == 17


def test_where_no_peak_is_kept_it_is_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert memory.peak_gib() == pytest.approx(memory.held_gib(), rel=0.05)
    assert memory.page_faults() == 0


def test_a_containers_limit_is_heeded(tmp_path: Path) -> None:
    """A number of bytes; "max", or no file, is no limit."""
    limited, unlimited = tmp_path / "memory.max", tmp_path / "other"
    limited.write_text(f"{3 * 2**30}\n")
    unlimited.write_text("max\n")
    assert memory.allowed_gib([tmp_path / "none", unlimited]) == float("inf")
    assert memory.allowed_gib([unlimited, limited]) == 3


def test_a_training_may_take_most_of_the_memory() -> None:
    there = min(memory.installed_gib(), memory.allowed_gib())
    assert 0.5 * there < memory.affordable_gib("cpu") < there


def test_garbage_is_looked_for_again_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), memory.uncollected():
        import_module("crln.of_this_name_there_is_none")
    assert gc.isenabled()


def test_no_garbage_is_looked_for_within_an_import() -> None:
    with memory.uncollected():
        assert not gc.isenabled()


def test_who_has_turned_the_look_for_garbage_off_finds_it_off() -> None:
    gc.disable()
    try:
        with memory.uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
