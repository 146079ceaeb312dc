"""Page faults of a step with freed memory kept and given back; memory after many steps.

Each is a process of its own: how memory is kept is decided before the first allocation.

Run: python benchmarks/memory.py
"""

import argparse
import json
import subprocess
import sys

from crln.memory import held_gib, keep_freed_memory, page_faults, peak_gib
from crln.profiling import bench
from harness import Figure, Measured, main, preset_plan, say

FEW, MANY = 5, 50
GROWTH = 1.02
"""Largest ratio of what is held after many steps to what is held after few: the same."""


def steps(preset: str, count: int) -> dict[str, list[float]]:
    """Takes steps; what each cost and left."""
    found: dict[str, list[float]] = {"seconds": [], "faults": [], "held_gib": [], "peak_gib": []}
    with bench(preset_plan(preset), "crln", count) as made:
        for _ in range(count):
            before = page_faults()
            found["seconds"] += made.timed(1)
            found["faults"].append(page_faults() - before)
            found["held_gib"].append(held_gib())
            found["peak_gib"].append(peak_gib())
    return found


def in_a_process(preset: str, count: int, keep: bool, threads: int) -> dict[str, list[float]]:
    command = [sys.executable, __file__, "--child", preset, "--steps", str(count)]
    command += ["--threads", str(threads)] + ["--keep"] * keep
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(options: argparse.Namespace) -> Measured:
    if options.child:
        if options.keep:
            keep_freed_memory()
        say(json.dumps(steps(options.child, options.steps)))
        return {}, []
    preset, few, many = ("phantom", 2, 4) if options.quick else ("la", FEW, MANY)
    found = {}
    for name, keep in (("kept", True), ("given back", False)):
        found[name] = each = in_a_process(preset, 3, keep, options.threads)
        say(
            f"{preset}, freed memory {name}: {each['faults'][-1]:,} page faults and "
            f"{each['seconds'][-1]:.2f} s a step, peak {each['peak_gib'][-1]:.2f} GiB"
        )
    where = "la" if options.long else "phantom" if options.quick else "hippocampus"
    long = in_a_process(where, many, True, options.threads)
    after = [long["peak_gib"][n - 1] for n in (few, many)]
    say(f"{where}: peak {after[0]:.3f} GiB after {few} steps, {after[1]:.3f} after {many}")
    faults = [found[name]["faults"][-1] for name in ("kept", "given back")]
    figures = [
        Figure(f"{where}: peak after {many} steps / after {few}", after[1] / after[0], GROWTH),
        Figure("page faults of a step, freed memory kept / given back", faults[0] / faults[1], 0.1),
    ]
    return {"preset": preset, **found, "long": {"preset": where, **long}}, figures


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--long", action="store_true", help="many steps at the la preset: minutes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)


if __name__ == "__main__":
    main(__doc__, measure, arguments, keep=False)
