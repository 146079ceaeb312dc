"""Speed and memory, one part after the other, each in a process of its own.

So the peak memory of a part is its own. What was measured goes into one JSON, with the machine that
it was measured on; the last lines say of each figure whether it reached its target.

Run: python benchmarks [--list] [--only PART ...] [--quick] [--json bench.json]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from crln.methods import METHODS
from crln.runs import environment_facts
from harness import DATA, Figure, say

HERE = Path(__file__).parent
PRESETS = ("la", "pancreas", "brats19", "hippocampus", "phantom")
SCRIPTS = (
    "augmentation",
    "cohort",
    "inference",
    "losses",
    "memory",
    "metrics",
    "networks",
    "preparation",
    "scaling",
)
"""What takes minutes; the other scripts of this folder train for hours, or need a GPU."""
PARTS = {
    **{f"step {preset}": ["step.py", preset] for preset in PRESETS},
    **{
        f"step hippocampus {method}": [
            "step.py",
            "hippocampus",
            "--method",
            method,
            "--repeats",
            "3",
        ]
        for method in sorted(METHODS)
        if method != "crln"
    },
    **{name: [f"{name}.py"] for name in SCRIPTS},
}
"""Name -> script and its arguments: the steps first."""


def main() -> None:
    options = arguments()
    if options.list:
        print("\n".join(PARTS))
        return
    parts: dict[str, dict[str, Any]] = {}
    failed = []
    began = time.perf_counter()
    for name in options.only or PARTS:
        try:
            parts[name] = run(name, options)
        except subprocess.CalledProcessError:
            failed.append(name)  # the others are measured all the same
        content = {"machine": environment_facts(torch.device("cpu")), "parts": parts}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    say(f"\n{len(parts)} parts in {(time.perf_counter() - began) / 60:.1f} minutes; {options.json}")
    for part in parts.values():
        for figure in part["figures"]:
            say(Figure(**{key: value for key, value in figure.items() if key != "met"}))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One part, in a process of its own."""
    say(f"\n== {name}")
    began = time.perf_counter()
    script, *own = PARTS[name]
    with tempfile.TemporaryDirectory(prefix="crln-bench-") as folder:
        out = Path(folder) / "part.json"
        command = [sys.executable, str(HERE / script), *own, "--json", str(out)]
        command += ["--data", str(options.data), "--threads", str(options.threads)]
        command += ["--quick"] * options.quick
        subprocess.run(command, check=True)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    found["seconds"] = time.perf_counter() - began
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name the parts")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="these parts")
    parser.add_argument("--quick", action="store_true", help="small and rough: does it run?")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
