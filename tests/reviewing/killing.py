"""Run by test_killed.py: saves, accepts and takes back in a process that is killed, many times.

What the process has told before it was killed must be there; what it was about to do may be.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from crln.cohort import load_cohort
from crln.reviewing import Places, Project, opened

CASE = "case_1"
STEPS = ("save", "accepted", "save", "skipped", "undo", "accepted", "undo", "save", "rejected")


def work(places: Places, pipe: int) -> None:
    """Steps one after the other, each told once it is done."""
    with opened(places, "anna") as project:
        shape = project.values(CASE).shape
        for number in range(10_000):
            step = STEPS[number % len(STEPS)]
            if step == "save":
                value = 1 + number % 2
                state = project.save(CASE, np.full(shape, value, np.int32))
            elif step == "undo":
                state = project.undo(CASE)
            else:
                state = project.decide(CASE, step)
            drawn = int(project.values(CASE)[0, 0, 0])
            os.write(pipe, f"{state.version} {state.state} {drawn}\n".encode())


def killed(places: Places, seconds: float) -> str:
    """The last line that was told before the end."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            work(places, write)
        finally:
            os._exit(1)
    os.close(write)
    told = os.read(read, 100).decode()  # it is at work
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 65536):
        told += more.decode()
    os.close(read)
    return told.strip().splitlines()[-1]


def check(project: Project, told: str) -> None:
    """What was told is there, or the one step after it."""
    version, state, drawn = told.split()
    found, places = project.state(CASE), project.places
    assert found.version in (int(version), int(version) + 1), (found, told)
    if found.version == int(version):
        assert (found.state, int(project.values(CASE)[0, 0, 0])) == (state, int(drawn))
    labels = {c.id for c in load_cohort(places.cohort, split="new").labelled}
    assert (CASE in labels) == (found.state == "accepted") == places.label(CASE).exists()
    if found.state == "accepted":
        label = np.asarray(nib.load(places.label(CASE)).dataobj)
        assert np.array_equal(label, project.values(CASE))
    assert not list(places.path.rglob("partial-*"))


def main() -> None:
    places, times = Places(Path(sys.argv[1])), int(sys.argv[2])
    chance = random.Random(0)
    for _ in range(times):
        told = killed(places, chance.uniform(0, 0.02))
        with opened(places, "bert") as project:
            check(project, told)
    print(f"{times} kills survived")


if __name__ == "__main__":
    main()
