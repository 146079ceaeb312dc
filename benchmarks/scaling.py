"""How a step grows with the patch, the classes and the channels, and a prediction with its volume.

Every point is in one process, so that the points can be compared; a line is fitted through each
series, seconds = a + b x, and a power law, seconds ~ x^p. Run: python benchmarks/scaling.py
"""

import argparse
from dataclasses import asdict
from math import prod
from typing import Any

import numpy as np
import torch

from crln.inference import accelerate, sliding_window
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan
from crln.profiling import Timing, profile_step, repeat
from harness import Measured, main, say

PATCHES = ((32, 32, 32), (48, 48, 48), (64, 64, 64), (80, 80, 80))
CLASSES = (2, 4, 8, 16)
CHANNELS = (1, 2, 4, 8)
VOLUMES = (64, 96, 128, 160)
WINDOW = (64, 64, 64)


def fitted(points: list[tuple[float, Timing]]) -> dict[str, float]:
    """The line a + b x and the exponent p of x^p."""
    x, y = (np.array(values) for values in zip(*((x, t.median) for x, t in points), strict=True))
    slope, offset = np.polyfit(x, y, 1)
    return {"a": offset, "b": slope, "exponent": np.polyfit(np.log(x), np.log(y), 1)[0]}


def step(repeats: int, **changes: Any) -> Timing:
    return profile_step(Plan().updated(changes), repeats=repeats, rates=False).step


def classes_of(count: int) -> dict[str, Any]:
    return {"labels": {"values": range(count), "names": [f"class {k}" for k in range(count)]}}


def channels_of(count: int) -> dict[str, Any]:
    return {"channels": [f"channel {c}" for c in range(count)], "intensity": [{}] * count}


def prediction(sides: tuple[int, ...], repeats: int) -> list[tuple[float, Timing]]:
    """Half-overlapping windows over cubes."""
    plan = Plan(patch_size=WINDOW)
    network = SegmentationNetwork(build_backbone(plan.network, 1), plan.classes).eval()
    fast = accelerate(network, "cpu")
    points = []
    for side in sides:
        image = torch.rand(1, side, side, side)
        timing = repeat(lambda image=image: sliding_window(fast, image, plan), repeats)
        points.append((float(side**3), timing))
    return points


def measure(options: argparse.Namespace) -> Measured:
    repeats = 1 if options.quick else 3
    few = 2 if options.quick else None
    small = {"patch_size": (32, 32, 32)}
    series: dict[str, list[tuple[float, Timing]]] = {
        "voxels of a patch": [
            (prod(patch), step(repeats, patch_size=patch)) for patch in PATCHES[:few]
        ],
        "classes": [(k, step(repeats, **small, **classes_of(k))) for k in CLASSES[:few]],
        "channels": [(c, step(repeats, **small, **channels_of(c))) for c in CHANNELS[:few]],
        "voxels of a volume": prediction(VOLUMES[:few], 1),
    }
    found: dict[str, Any] = {}
    for name, points in series.items():
        law = fitted(points)
        found[name] = {"points": [[x, asdict(timing)] for x, timing in points], "law": law}
        said = ", ".join(f"{x:g}: {timing.median:.3f}" for x, timing in points)
        say(f"{name}: {said}; {law['a']:.3g} + {law['b']:.3g} x; x^{law['exponent']:.2f}")
    return {"series": found}, []


if __name__ == "__main__":
    main(__doc__, measure)
