import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

pytest.importorskip("fcntl")

from crln.inference.claims import claim


def hold(path: Path, pipe: Connection) -> None:
    with claim(path, wait=False) as ours:
        pipe.send(ours)
        pipe.recv()


@pytest.fixture
def holder(tmp_path: Path) -> multiprocessing.Process:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=hold, args=(tmp_path / "case", theirs), daemon=True
    )
    process.start()
    assert ours.recv()
    process.pipe = ours
    return process


def test_one_process_at_a_time(tmp_path: Path, holder: multiprocessing.Process) -> None:
    with claim(tmp_path / "case", wait=False) as ours:
        assert not ours
    with claim(tmp_path / "other", wait=False) as ours:
        assert ours
    holder.pipe.send("done")
    with claim(tmp_path / "case", wait=True) as ours:
        assert ours
    holder.join()


def test_the_claim_of_a_killed_process_is_free(
    tmp_path: Path, holder: multiprocessing.Process
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    with claim(tmp_path / "case", wait=True) as ours:
        assert ours
    holder.join()
