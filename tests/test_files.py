import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fcntl")

from crln.files import claim

HOLD = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `case` until it is told otherwise."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "case")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_at_a_time(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with claim(tmp_path / "case", wait=False) as ours:
        assert not ours
    with claim(tmp_path / "other", wait=False) as ours:
        assert ours
    holder.communicate("done\n")
    with claim(tmp_path / "case", wait=False) as ours:
        assert ours


def test_the_claim_of_a_killed_process_is_free(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    with claim(tmp_path / "case", wait=True) as ours:
        assert ours
