"""What the benchmarks share: options, figures against their targets, one JSON each."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from crln.memory import keep_freed_memory, peak_gib
from crln.planning import Plan, read_preset

DATA = Path("../shared/data")


@dataclass(frozen=True)
class Figure:
    """One measured value against its target.

    Attributes:
        name: what it is.
        value: as measured.
        target: what to reach.
        most: the target is an upper bound; else a lower one.
        unit: of both.
    """

    name: str
    value: float
    target: float
    most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return bool(self.value <= self.target if self.most else self.value >= self.target)

    def __str__(self) -> str:
        bound = "at most" if self.most else "at least"
        verdict = "met" if self.met else "missed"
        value, target = (f"{number:.3g}{self.unit}" for number in (self.value, self.target))
        return f"{self.name}: {value}, {bound} {target}: {verdict}"


Measured = tuple[dict[str, Any], list[Figure]]


def main(
    doc: str | None,
    measure: Callable[[argparse.Namespace], Measured],
    arguments: Callable[[argparse.ArgumentParser], object] | None = None,
    *,
    keep: bool = True,
) -> None:
    """Runs one benchmark as a program of its own.

    Args:
        doc: the script's docstring.
        measure: options -> what was measured, as JSON has it, and the figures that follow.
        arguments: adds the script's own.
        keep: have freed memory kept, as `crln` does.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small and rough: does it run?")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the real scans")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write what was measured here as well")
    if arguments:
        arguments(parser)
    options = parser.parse_args()
    if keep:
        keep_freed_memory()  # before torch allocates
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    measured, figures = measure(options)
    measured["peak_gib"] = peak_gib()
    for figure in figures:
        print(figure, flush=True)
    if options.json:
        table = [{**asdict(figure), "met": figure.met} for figure in figures]
        content = {"measured": measured, "figures": table}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def preset_plan(name: str, classes: int = 2, **changes: Any) -> Plan:
    """A preset for scans of one channel."""
    named = {
        "labels": {"values": range(classes), "names": [f"class {k}" for k in range(classes)]},
    }
    return Plan.model_validate(read_preset(name, 1) | named).updated(changes)


def say(*values: object) -> None:
    """Prints at once, so that a reader sees where a long benchmark stands."""
    print(*values, flush=True)
