"""Ten thousand cases, made by linking a few many times: start-up, wait for data, memory.

Each size is a process of its own. The scans are in the cache already, as they are when a training
is started a second time. Run: python benchmarks/cohort.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crln.cohort import load_cohort, make_phantom, save_split, split_cohort
from crln.memory import held_gib, peak_gib
from crln.planning import make_plan
from crln.preparation import prepare_cohort
from crln.profiling import WAIT, Bench
from harness import Figure, Measured, main, say

SIZES = (10, 1000, 10000)
SCANS = 10
LABELLED = 0.1
"""Share of the cases with a label."""
STARTUP, WAITING, MEMORY = 30.0, 0.02, 1.05
"""Targets: seconds; share of a step; peak with most cases / peak with 10."""


def link(scans: Path, root: Path, count: int) -> Path:
    """A cohort of `count` cases, links to a few scans; one in ten has a label."""
    images = sorted((scans / "images").iterdir())
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for n in range(count):
        source = images[n % len(images)]
        name = f"case_{n:05d}x.nii.gz"
        (root / "images" / name).symlink_to(source)
        if n % round(1 / LABELLED) == 0:
            (root / "labels" / name).symlink_to(scans / "labels" / source.name)
    return root


def child(root: Path, cache: Path, steps: int) -> dict[str, object]:
    """Starts a training as `crln train` does, then takes steps."""
    seconds = {}
    began = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name], began = time.perf_counter() - began, time.perf_counter()

    cohort = split_cohort(load_cohort(root))
    lap("read the folder")
    plan = make_plan(cohort, preset="hippocampus")
    lap("make the plan")
    labelled, unlabelled = (
        prepare_cohort(cases, plan, cache) for cases in (cohort.labelled, cohort.unlabelled)
    )
    lap("find in the cache")
    save_split(cohort, cache / "split.yaml")
    lap("save the split")
    before = held_gib()
    bench = Bench(plan, "crln", labelled, unlabelled, steps)
    bench.take()
    lap("first step")
    bench.take()
    took, parts = bench.by_part(steps - 2)
    bench.close()
    seconds["start-up"] = sum(v for k, v in seconds.items() if k != "first step")
    return {
        "seconds": seconds, "wait": parts[WAIT], "step": sorted(took)[len(took) // 2],
        "peak_gib": peak_gib(), "held_before_gib": before,
    }  # fmt: skip


def measure(options: argparse.Namespace) -> Measured:
    if options.child:
        say(json.dumps(child(options.child, options.child.parent / "cache", options.steps)))
        return {}, []
    sizes = (10, 100) if options.quick else SIZES
    table = {}
    with tempfile.TemporaryDirectory(prefix="crln-cohort-") as folder:
        root = Path(folder)
        scans = make_phantom(root / "scans", labelled=SCANS, unlabelled=0, test=0)
        for size in (SCANS, *sizes):  # the first fills the cache
            cohort = root / f"{size}-{len(table)}"
            link(scans, cohort, size)
            command = [sys.executable, __file__, "--child", str(cohort)]
            command += ["--steps", "4" if options.quick else "12"]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            table[str(size)] = found = json.loads(done.stdout.splitlines()[-1])
            laps = ", ".join(f"{name} {value:.2f} s" for name, value in found["seconds"].items())
            say(
                f"{size} cases: {laps}; wait {found['wait'] / found['step']:.2%} of a step of "
                f"{found['step']:.2f} s; peak {found['peak_gib']:.3f} GiB"
            )
    few, many = (table[str(size)] for size in (sizes[0], sizes[-1]))
    figures = [
        Figure(f"{sizes[-1]} cases: start-up", many["seconds"]["start-up"], STARTUP, unit=" s"),
        Figure(f"{sizes[-1]} cases: wait for data / step", many["wait"] / many["step"], WAITING),
        Figure(
            f"{sizes[-1]} cases: peak memory / with {sizes[0]}",
            many["peak_gib"] / few["peak_gib"], MEMORY,
        ),
    ]  # fmt: skip
    return {"cases": table}, figures


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)


if __name__ == "__main__":
    main(__doc__, measure, arguments)
