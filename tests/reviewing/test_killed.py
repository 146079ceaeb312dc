"""Whatever ends the process, what was clicked is on the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a killed child needs fork")


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_that_was_done(places):
    script = Path(__file__).with_name("killing.py")
    done = subprocess.run(
        [sys.executable, script, places.path, "100"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "100 kills survived\n"
