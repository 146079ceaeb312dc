"""What a page must bear: a large scan, two tabs, a server that is killed while it is open."""

import os
import signal
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from crln.reviewing import Project, begin_project
from crln.reviewing.serving import serving

pytestmark = pytest.mark.slow
SHAPE = (20, 18, 16)
LARGE = (512, 512, 300)


@pytest.fixture
def places(tmp_path, small):
    for name in ("a", "b"):
        scan = np.random.default_rng(0).integers(0, 200, SHAPE).astype(np.int16)
        small.scan(tmp_path / f"data/images/{name}.nii.gz", scan, np.diag([-1.0, 1, 1, 1]))
    return begin_project(tmp_path / "data", say=str)


def _served(places) -> tuple[subprocess.Popen, str]:
    """A server in a process of its own, and its address."""
    words = ["review", str(places.path), "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from crln.cli import main; main({words!r})"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if line.startswith("http://"):
            return process, line.strip()
    raise AssertionError("it told no address")


def test_a_server_that_is_killed_under_an_open_page_has_kept_each_stroke(browser, person, places):
    process, url = _served(places)
    try:
        hand = person(browser.open(url, 1200))
        hand.open("b")
        hand.press("1")
        hand.page.mouse.click(*hand.at([5, 7, 8]))
        hand.says("saved")
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        hand.page.mouse.click(*hand.at([12, 9, 8]))
        hand.says("NOT SAVED: the server does not answer")
    finally:
        process.kill()
        process.communicate()
    expected = np.zeros(SHAPE, np.int32)
    expected[SHAPE[0] - 1 - 5, 7, 8] = 1  # the first axis runs to the left
    assert np.array_equal(Project(places.path).values("b"), expected)
    with serving(places) as service:
        hand = person(browser.open(service.url, 1200))
        hand.open("b")
        shown = np.array(hand.page.evaluate("[...review.viewer.numbers]"))
        assert np.array_equal(shown.reshape(SHAPE, order="F"), expected[::-1])
        hand.press("1")
        hand.page.mouse.click(*hand.at([12, 9, 8]))
        hand.says("saved")
        assert (service.project.values("b") == 1).sum() == 2


def test_of_two_tabs_on_one_case_the_later_is_told_and_on_two_cases_both_save(
    browser, person, places
):
    with serving(places) as service:
        first = person(browser.open(service.url, 1200))
        second = person(browser.beside())
        for tab in (second, first):
            tab.page.bring_to_front()
            tab.open("a")
            tab.press("1")
        first.page.mouse.click(*first.at([5, 7, 8]))
        first.says("saved")
        second.page.bring_to_front()
        second.page.mouse.click(*second.at([12, 9, 8]))
        second.says("NOT SAVED")
        assert "another window" in second.page.locator("#banner").text_content()
        assert (service.project.values("a") == 1).sum() == 1
        second.page.evaluate("() => void review.open.unsaved.clear()")  # gives its stroke up
        second.open("b")
        second.page.mouse.click(*second.at([12, 9, 8]))
        second.says("saved")
        first.page.bring_to_front()
        first.page.mouse.click(*first.at([9, 7, 8]))
        first.page.wait_for_timeout(50)
        first.says("saved")
        assert [(service.project.values(id) == 1).sum() for id in "ab"] == [2, 1]


def test_a_large_scan_opens_and_a_stroke_in_it_is_saved(browser, person, tmp_path):
    path = tmp_path / "data/images/large.nii"
    path.parent.mkdir(parents=True)
    header = nib.Nifti1Header()
    header.set_data_shape(LARGE)
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), code=1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path.write_bytes(header.binaryblock + bytes(4))
    voxels = np.memmap(path, np.int16, "r+", offset=352, shape=LARGE, order="F")
    voxels[200:300, 200:300, 100:200] = 500
    voxels.flush()
    with serving(begin_project(tmp_path / "data", say=str)) as service:
        hand = person(browser.open(service.url, 1200))
        hand.open("large")
        hand.press("1")
        hand.page.mouse.click(*hand.at([250, 240, 150]))
        hand.says("saved")
        drawn = np.argwhere(service.project.values("large") == 1)
        assert len(drawn) == 1
        assert np.abs(drawn[0] - [250, 240, 150]).max() <= 3  # more voxels than pixels
