"""Seconds of each loss, forward and backward, by classes and by patch.

CPS is measured with its embedding of the drawn voxels ("CPS") and with one that costs nothing
("CPS, masks and draws"); the difference is the projection head, whose backward fills a gradient
as large as the features.

Run: python benchmarks/losses.py
"""

import argparse
from collections.abc import Callable, Collection
from dataclasses import asdict

import torch
from torch import Tensor

from crln.labels import IGNORE
from crln.losses import consistency_loss, segmentation_loss
from crln.methods.crln.contrastive import cooperative_positive_supervision
from crln.methods.crln.method import pseudo_label_loss
from crln.methods.crln.projection import ProjectionHead
from crln.profiling import Timing, repeat
from harness import Figure, Measured, main, say

LA = (112, 112, 80)
CLASSES = (2, 4, 8, 16)
PATCHES = ((32, 48, 32), (64, 64, 48), (96, 96, 96))
CPS = ("CPS", "CPS, masks and draws")
WIDTH = 16
"""Channels of the finest features and of the embedding."""


def loss_timings(
    classes: int, patch: tuple[int, int, int], repeats: int, names: Collection[str] = ()
) -> dict[str, Timing]:
    """Of 2 + 2 patches: CPS sees all four, every other loss two. No names: all of them."""
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
        "consistency": lambda: consistency_loss(student, logits[2:], target[:2] != IGNORE),
    }

    def learn(loss: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: loss().backward()

    return {
        name: repeat(learn(loss), repeats)
        for name, loss in losses.items()
        if not names or name in names
    }


def measure(options: argparse.Namespace) -> Measured:
    largest = (48, 48, 32) if options.quick else LA
    repeats = 1 if options.quick else 5
    cases = [(k, largest, () if k == 2 else CPS) for k in CLASSES]
    if not options.quick:
        cases += [(2, patch, CPS) for patch in PATCHES]
    found = {}
    for classes, patch, names in cases:
        name = f"K={classes} {'x'.join(map(str, patch))}"
        found[name] = timings = loss_timings(classes, patch, repeats, names)
        for loss, timing in timings.items():
            say(f"{name:18s}{loss:21s} {timing}")
    size = "x".join(map(str, largest))
    few, many = (found[f"K={k} {size}"]["CPS"].median for k in (2, 16))
    table = {name: {n: asdict(t) for n, t in timings.items()} for name, timings in found.items()}
    # Linear in K at most: 8 times the classes may cost 8 times as much.
    return {"seconds": table}, [Figure("CPS: cost of 16 classes / cost of 2", many / few, 8)]


if __name__ == "__main__":
    main(__doc__, measure)
