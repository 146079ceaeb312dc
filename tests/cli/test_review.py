"""The verb: an address is printed, the page answers, Ctrl-C ends it, masks are handed over."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from crln.cohort import make_phantom


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_phantom(tmp_path / "data", labelled=2, unlabelled=1, test=0, shape=(18, 18, 16))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a program there is not sent Ctrl-C alone")
def test_it_prints_its_address_answers_and_ends_with_ctrl_c(data: Path) -> None:
    words = ["review", data, "--no-browser", "--slicer", "--by", "anna"]
    started = subprocess.Popen(
        [sys.executable, "-u", "-c", "from crln.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout
    lines = [started.stdout.readline().strip() for _ in range(5)]
    assert lines[0] == f"3 scans, 2 accepted; project in {data.resolve()}-review"
    assert lines[2] == f"server for 3D Slicer: {lines[1]}slicer"
    port = re.search(r":(\d+)/", lines[1])
    assert port
    assert f"ssh -N -L {port[1]}:127.0.0.1:{port[1]}" in lines[3]
    with urllib.request.urlopen(lines[1], timeout=20) as page:
        assert b"<title>crln review</title>" in page.read()
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (0, "")
    assert out == f"ended; everything is in {data.resolve()}-review\n"


@pytest.mark.slow
def test_masks_are_handed_over(data: Path, tmp_path: Path, command_line) -> None:
    result = command_line("review", data, "--export", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith(f"2 masks and cases.csv in {tmp_path / 'out'}; 1 cases left out\n")
    assert (tmp_path / "out/cases.csv").exists()
    again = command_line("review", data, "--export", tmp_path / "out")
    assert (again.code, "exists; give another output" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--format", "nifti"), "--format is of the masks to hand over; add --export OUT"),
        (("--method", "none"), "--method none: no such method"),
    ],
)
def test_options_that_make_no_sense_are_refused(data, command_line, words, told) -> None:
    result = command_line("review", data, "--no-browser", *words)
    assert result.code == 2
    assert told in result.err
