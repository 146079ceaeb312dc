"""Seconds of each view of two patches, and of the strong view's slowest draw.

The first of the repeats draws other changes than the second: the spread is that of the draws.

Run: python benchmarks/augmentation.py
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from crln.augmentation import PaperViews, RichViews, build_views
from crln.augmentation.recipe import Recipe
from crln.planning import Plan
from crln.profiling import Timing, repeat
from harness import Measured, main, say

PATCHES = {"la": (112, 112, 80), "pancreas": (96, 96, 96), "hippocampus": (32, 48, 32)}

EVERYTHING = Recipe(**dict.fromkeys(
    ("rotation", "zoom", "noise", "blur", "brightness", "contrast", "low_resolution",
     "inverted_gamma", "gamma", "cutmix"), 1.0))  # fmt: skip


def batch(views: PaperViews | RichViews, read: bool) -> tuple[Tensor, Tensor, Tensor]:
    size = views.read_size if read else views.patch
    images = torch.rand(2, 1, *size).contiguous(memory_format=torch.channels_last_3d)
    return images, torch.randint(0, 2, (2, *size)), torch.rand(2, *size)


def timings(kind: str, patch: tuple[int, int, int], repeats: int) -> dict[str, Timing]:
    plan = Plan(patch_size=patch, views={"kind": kind, "mirror_axes": (0, 1), "rotate90": True})
    views = build_views(plan)
    assert isinstance(views, PaperViews | RichViews)
    images, target, _ = batch(views, read=True)
    patches = batch(views, read=False)
    generator = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], object]] = {
        "labelled": lambda: views.labelled(images, target, generator),
        "weak": lambda: views.weak(images, target, generator),
        "strong": lambda: views.strong(*patches, generator),
    }
    if kind == "rich":
        worst = RichViews(plan, strong=EVERYTHING)
        calls["strong, every change"] = lambda: worst.strong(*patches, generator)
    return {name: repeat(call, repeats, 2) for name, call in calls.items()}


def measure(options: argparse.Namespace) -> Measured:
    table = {}
    for name, patch in PATCHES.items():
        if options.quick and name != "hippocampus":
            continue
        for kind in ("paper", "rich"):
            found = timings(kind, patch, 2 if options.quick else 7)
            table[f"{name} {kind}"] = {view: asdict(timing) for view, timing in found.items()}
            for view, timing in found.items():
                say(f"{name:12s}{kind:6s} {view:21s} {timing}")
    return {"seconds": table}, []  # its figure is a share of the step: benchmarks/step.py


if __name__ == "__main__":
    main(__doc__, measure)
