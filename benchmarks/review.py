"""The page of crln review: until a scan is shown, and until a stroke is saved.

Its server and Chromium run in processes of their own, without a graphics card. Besides seconds by
the clock it tells the processor seconds of both, which other programs hardly change. What is timed:
a scan that the page has not shown before, the same once more, and a stroke of the pen.

Run: python benchmarks/review.py [--shape X Y Z] [--scan FILE] [--repeats N] [--json OUT.json]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from crln.reviewing import Places, begin_project, opened
from harness import Figure, Measured, main, say

WAIT = 600_000
READY, SAVED = 15.0, 1.0
"""Seconds: the targets for the largest scan."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 300))
    parser.add_argument("--scan", type=Path, help="one of your own, in the place of a made one")
    parser.add_argument("--repeats", type=int, default=3, help="strokes")


def measure(options: argparse.Namespace) -> Measured:
    shape = (96, 96, 64) if options.quick else tuple(options.shape)
    with tempfile.TemporaryDirectory() as folder:
        places = begun(Path(folder), options.scan, shape)
        server, url = served(places)
        try:
            with sync_playwright() as playwright:
                found = timed(playwright, url, server, options.repeats)
        finally:
            server.terminate()
            server.wait()
    for name, each in found.items():
        say(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in each.items()))
    figures = [
        Figure("page ready", found["first"]["seconds"], READY, unit=" s"),
        Figure("stroke saved", found["saved"]["seconds"], SAVED, unit=" s"),
    ]
    return {"shape": list(shape), **found}, figures


def begun(folder: Path, scan: Path | None, shape: tuple[int, ...]) -> Places:
    """The project of one scan, with a large structure and a small one in it."""
    path = folder / "data/images/a.nii.gz"
    path.parent.mkdir(parents=True)
    if scan:
        shutil.copyfile(scan, path)
    else:
        nib.Nifti1Image(made(shape), np.diag([0.8, 0.8, 1.5, 1])).to_filename(path)
    places = begin_project(folder / "data", classes=["organ", "lesion"], say=say)
    with opened(places) as project:
        values = np.zeros(project.values("a").shape, np.uint8)
        for value, share in ((1, 0.25), (2, 0.08)):
            values[ball(values.shape, share)] = value
        project.save("a", values)
    return places


def made(shape: tuple[int, ...]) -> np.ndarray:
    """Like a CT: air around a body with noise."""
    noise = np.random.default_rng(0).normal(0, 20, shape).astype(np.float32)
    return np.where(ball(shape, 0.45), 40 + noise, -1000 + noise).astype(np.int16)


def ball(shape: tuple[int, ...], share: float) -> np.ndarray:
    """An ellipsoid in the middle, with a share of each side as its half axes."""
    x, y, z = (np.linspace(-0.5, 0.5, side, dtype=np.float32) ** 2 for side in shape)
    inside: np.ndarray = x[:, None, None] + y[:, None] + z < share**2
    return inside


def served(places: Places) -> tuple["subprocess.Popen[str]", str]:
    words = ["review", str(places.path), "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from crln.cli import main; main({words!r})"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout
    url = next(line.strip() for line in process.stdout if line.startswith("http://"))
    return process, url


def timed(playwright: Any, url: str, server: "subprocess.Popen[str]", repeats: int) -> Any:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
    own = psutil.Process().children(recursive=True)
    watch = Watch(server.pid, [p for p in own if p.pid != server.pid])
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(url)
    page.wait_for_selector('body[data-listed="1"]', timeout=WAIT)
    found = {"first": watch(lambda: show(page)), "again": watch(lambda: show(page))}
    page.select_option("#view", "0")
    page.evaluate("() => void document.querySelector('#tour-close').click()")
    page.keyboard.press("1")
    strokes = [watch(lambda at=at: stroke(page, at)) for at in range(repeats)]
    found["saved"] = {what: float(np.median([s[what] for s in strokes])) for what in strokes[0]}
    browser.close()
    return found


class Watch:
    """Seconds by the clock and of the processor, of something that a person waits for.

    Args:
        server: its process.
        browser: its processes by now; their children count too.
    """

    def __init__(self, server: int, browser: list[psutil.Process]) -> None:
        self._server, self._browser = psutil.Process(server), browser

    def __call__(self, action: Callable[[], None]) -> dict[str, float]:
        """What it took, in seconds: by the clock, of the server and of the browser."""
        before, began = self._spent(), time.perf_counter()
        action()
        seconds = time.perf_counter() - began
        of_server, of_browser = (b - a for a, b in zip(before, self._spent(), strict=True))
        return {"seconds": seconds, "server": of_server, "browser": of_browser}

    def _spent(self) -> tuple[float, float]:
        known = {p.pid: p for root in self._browser for p in (root, *root.children(recursive=True))}
        return _of(self._server), sum(map(_of, known.values()))


def _of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def show(page: Page) -> None:
    page.evaluate("() => { document.body.dataset.ready = ''; void review.show('a'); }")
    page.wait_for_selector('body[data-ready="a"]', timeout=WAIT)
    page.evaluate("() => void review.viewer.nv.gl.finish()")


def stroke(page: Page, at: int) -> None:
    box = page.locator("#gl").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2 + 9 * at, box["y"] + box["height"] / 2)
    page.wait_for_function("() => document.getElementById('said').textContent === 'saved'")
    page.evaluate("() => { document.getElementById('said').textContent = ''; }")


if __name__ == "__main__":
    main(__doc__, measure, arguments)
