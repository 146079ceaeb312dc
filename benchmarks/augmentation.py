"""Milliseconds of each view of two patches, and of the strong view's slowest draw.

Run: python benchmarks/augmentation.py [--repeats 30] [--threads 2] [--json FILE]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from crln.augmentation import PaperViews, RichViews, build_views
from crln.augmentation.recipe import Recipe
from crln.planning import Plan

PATCHES = {"la": (112, 112, 80), "pancreas": (96, 96, 96), "hippocampus": (32, 48, 32)}
TARGET = 0.24
"""Seconds: 3 % of a step of 8 s at the `la` patch."""

EVERYTHING = Recipe(**dict.fromkeys(
    ("rotation", "zoom", "noise", "blur", "brightness", "contrast", "low_resolution",
     "inverted_gamma", "gamma", "cutmix"), 1.0))  # fmt: skip


def timed(call: Callable[[torch.Generator], object], repeats: int) -> dict[str, float]:
    """Median and largest seconds of `repeats` calls with different draws, after two warm-ups."""
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call(generator)
        seconds.append(time.perf_counter() - start)
    return {"median": statistics.median(seconds[2:]), "largest": max(seconds[2:])}


def batch(views: PaperViews | RichViews, read: bool) -> tuple[Tensor, Tensor, Tensor]:
    size = views.read_size if read else views.patch
    images = torch.rand(2, 1, *size).contiguous(memory_format=torch.channels_last_3d)
    return images, torch.randint(0, 2, (2, *size)), torch.rand(2, *size)


def figures(kind: str, patch: tuple[int, int, int], repeats: int) -> dict[str, dict[str, float]]:
    plan = Plan(patch_size=patch, views={"kind": kind, "mirror_axes": (0, 1), "rotate90": True})
    views = build_views(plan)
    assert isinstance(views, PaperViews | RichViews)
    images, target, _ = batch(views, read=True)
    patches = batch(views, read=False)
    result = {
        "labelled": timed(lambda g: views.labelled(images, target, g), repeats),
        "weak": timed(lambda g: views.weak(images, target, g), repeats),
        "strong": timed(lambda g: views.strong(*patches, g), repeats),
    }
    if kind == "rich":
        worst = RichViews(plan, strong=EVERYTHING)
        result["strong, every change"] = timed(lambda g: worst.strong(*patches, g), repeats)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = {}
    for name, patch in PATCHES.items():
        for kind in ("paper", "rich"):
            table[f"{name} {kind}"] = rows = figures(kind, patch, options.repeats)
            for view, seconds in rows.items():
                median, most = (1e3 * seconds[key] for key in ("median", "largest"))
                print(
                    f"{name:12s}{kind:6s} {view:21s} median {median:7.2f} ms, largest {most:7.2f}"
                )
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    slowest = max(table[f"la {kind}"]["strong"]["median"] for kind in ("paper", "rich"))
    verdict = "met" if slowest < TARGET else "missed"
    print(
        f"strong view of 2 patches of 112x112x80: {slowest:.3f} s, target < {TARGET} s: {verdict}"
    )


if __name__ == "__main__":
    main()
