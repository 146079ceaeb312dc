"""Seconds of each loss, forward and backward, by classes and by patch.

Run: python benchmarks/losses.py [--repeats 5] [--threads 2] [--json FILE]

CPS is measured with its embedding of the drawn voxels ("CPS") and with one that costs nothing
("CPS, masks and draws"); the difference is the projection head, whose backward fills a gradient
as large as the features. "wall" is what a clock says; "CPU" sums what the threads worked, which
another program on the same cores does not lengthen.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import (
    consistency_loss,
    cooperative_positive_supervision,
    pseudo_label_loss,
    segmentation_loss,
)
from crln.memory import keep_freed_memory
from crln.networks import ProjectionHead

LA = (112, 112, 80)
CASES = [(2, LA), (4, LA), (8, LA), (16, LA), (2, (32, 48, 32)), (2, (64, 64, 48)), (2, (96,) * 3)]
TARGET = 0.24
"""Seconds: 3 % of a step of 8 s at the `la` patch."""
WIDTH = 16
"""Channels of the finest features and of the embedding."""


def timed(loss: Callable[[], Tensor], repeats: int) -> dict[str, float]:
    """Median seconds of `repeats` forward and backward passes, after two warm-ups."""
    wall, work = [], []
    for _ in range(repeats + 2):
        start, worked = time.perf_counter(), time.process_time()
        loss().backward()
        wall.append(time.perf_counter() - start)
        work.append(time.process_time() - worked)
    return {"wall": statistics.median(wall[2:]), "cpu": statistics.median(work[2:])}


def figures(classes: int, patch: tuple[int, ...], repeats: int) -> dict[str, dict[str, float]]:
    """Of 2 + 2 patches: CPS sees all four, every other loss two."""
    generator = torch.Generator().manual_seed(0)
    last = {"memory_format": torch.channels_last_3d}
    logits = torch.randn(4, classes, *patch, generator=generator).mul_(3).contiguous(**last)
    target = torch.randint(IGNORE, classes, (4, *patch), generator=generator)
    confidence = torch.rand(2, *patch, generator=generator)
    probabilities = logits.softmax(1)
    student = logits[:2].detach().requires_grad_()
    features = [torch.randn(2, WIDTH, *patch).contiguous(**last).requires_grad_() for _ in "lu"]
    head, prototypes = ProjectionHead(WIDTH, WIDTH), torch.randn(classes, WIDTH)
    table = torch.randn(4096, WIDTH, requires_grad=True)

    def positive(project: Callable[[Tensor], Tensor]) -> Tensor:
        return cooperative_positive_supervision(
            project, probabilities, target, prototypes, generator=generator
        ).loss

    losses: dict[str, Callable[[], Tensor]] = {
        "CPS": lambda: positive(lambda voxels: head.at(features, voxels)),
        "CPS, masks and draws": lambda: positive(lambda voxels: table[voxels % len(table)]),
        "segmentation": lambda: segmentation_loss(student, target[:2]),
        "pseudo-label": lambda: pseudo_label_loss(student, target[:2], confidence),
        "consistency": lambda: consistency_loss(student, logits[2:], target[:2]),
    }
    return {name: timed(loss, repeats) for name, loss in losses.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    table = {}
    for classes, patch in CASES:
        name = f"K={classes} {'x'.join(map(str, patch))}"
        table[name] = rows = figures(classes, patch, options.repeats)
        for loss, seconds in rows.items():
            wall, work = 1e3 * seconds["wall"], 1e3 * seconds["cpu"]
            print(f"{name:18s}{loss:21s} wall {wall:7.1f} ms, CPU {work:7.1f} ms", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    costs = [table[f"K={k} 112x112x80"]["CPS"] for k in (2, 16)]
    seconds, growth = costs[0]["wall"], costs[1]["cpu"] / costs[0]["cpu"]
    print(f"CPS, K=2, 2 + 2 patches of 112x112x80: {seconds:.3f} s, "
          f"target < {TARGET} s: {'met' if seconds < TARGET else 'missed'}")  # fmt: skip
    print(f"CPS, K=16 over K=2: {growth:.1f} times, "
          f"target at most 8: {'met' if growth <= 8 else 'missed'}")  # fmt: skip


if __name__ == "__main__":
    main()
