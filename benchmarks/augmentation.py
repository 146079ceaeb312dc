"""Seconds of each view of two patches, and of the strong view's slowest draw.

The first of the repeats draws other changes than the second: the spread is that of the draws.

Run: python benchmarks/augmentation.py
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from crln.augmentation import Kind, Views, build_views
from crln.planning import Plan
from crln.profiling import Timing, repeat
from harness import Measured, main, say

PATCHES = {"la": (112, 112, 80), "pancreas": (96, 96, 96), "hippocampus": (32, 48, 32)}

EVERYTHING = dict.fromkeys(
    ("rotation", "zoom", "noise", "blur", "brightness", "contrast", "low_resolution",
     "inverted_gamma", "gamma", "cutmix"), 1.0)  # fmt: skip


def batch(size: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(2, 1, *size).contiguous(memory_format=torch.channels_last_3d)
    return images, torch.randint(0, 2, (2, *size)), torch.rand(2, *size)


def make(views: Views, kind: Kind, patches: Sequence[Tensor], generator: torch.Generator) -> None:
    """As methods do: images and labels, of a strong view the confidence too."""
    images, labels, confidence = patches
    view = views.draw(kind, *images.shape[:2], generator)
    view.images(images), view.labels(labels)
    if kind == "strong":
        view.maps(confidence)


def timings(kind: str, patch: tuple[int, int, int], repeats: int) -> dict[str, Timing]:
    plan = Plan(patch_size=patch, views={"kind": kind, "mirror_axes": (0, 1), "rotate90": True})
    views = build_views(plan)
    read, patches = batch(views.read_size), batch(patch)
    generator = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], object]] = {
        "labelled": lambda: make(views, "labelled", read, generator),
        "weak": lambda: make(views, "weak", read, generator),
        "strong": lambda: make(views, "strong", patches, generator),
    }
    if kind == "rich":
        worst = build_views(plan.updated({"views": {"options": {"strong": EVERYTHING}}}))
        calls["strong, every change"] = lambda: make(worst, "strong", patches, generator)
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
