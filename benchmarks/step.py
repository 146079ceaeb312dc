"""A training step by part, against the bare floor measured in the same process.

The floor is the arithmetic that CRLN cannot do without: the teacher's forward, and the student's
forward and backward on the labelled patches and on each view of the unlabelled ones, of the plain
backbone in the same layout, in as many passes as the plan's (`joint_pass`: one).

Run: python benchmarks/step.py [la|pancreas|brats19|hippocampus|phantom] [--method NAME]
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from crln.methods import METHODS, spelled_out
from crln.networks import build_backbone
from crln.planning import Plan, preset_names
from crln.profiling import StepProfile, Timing, bench, profile_step, repeat
from harness import Figure, Measured, main, preset_plan, say
from losses import loss_timings

CLASSES = {"hippocampus": 3, "phantom": 4}
FLOORS = {"la": 1.15, "hippocampus": 1.25}
"""Targets: step / floor."""
PEAK = 6.0
REPEATS = {"la": 3, "pancreas": 2, "brats19": 2}
"""Steps of ten seconds; five of the others."""
SHARE = 0.03


def floor_step(plan: Plan) -> Callable[[], None]:
    network = build_backbone(plan.network, 1)
    network.to(memory_format=torch.channels_last_3d)
    size = (plan.training.labelled, 1, *plan.patch_size)
    patches = torch.rand(size).contiguous(memory_format=torch.channels_last_3d)

    def finest(images: Tensor) -> Tensor:
        features: Tensor = network(images)[0]
        return features

    options = spelled_out("crln", plan).options["crln"]
    views = max(1, options["strong_views"]) + bool(options["copy_paste"])
    seen = torch.cat([patches] * views)
    batches = [torch.cat([patches, seen])] if options["joint_pass"] else [patches, seen]
    batches = [b.contiguous(memory_format=torch.channels_last_3d) for b in batches]

    def step() -> None:
        with torch.no_grad():
            finest(patches)
        torch.stack([finest(batch).mean() for batch in batches]).sum().backward()
        network.zero_grad()

    return step


def in_turns(plan: Plan, method: str, repeats: int) -> tuple[Timing, Timing]:
    """A step and the floor, one after the other: a slow minute of the machine slows both."""
    floor = floor_step(plan)
    steps, floors = [], []
    with bench(plan, method, 2 + repeats) as made:
        made.timed(2)
        floor()
        for _ in range(repeats):
            steps += made.timed(1)
            floors.append(repeat(floor, 1, 0).median)
    return Timing.of(steps), Timing.of(floors)


def shares(profile: StepProfile, plan: Plan, repeats: int) -> list[Figure]:
    """What the issue asks of CPS and of the strong view, at the `la` preset."""
    cps = loss_timings(plan.classes, plan.patch_size, repeats, ["CPS"])["CPS"].median
    step, strong = profile.step.median, profile.parts["strong view"]
    return [
        Figure("la: strong view of 2 patches / step", strong / step, SHARE),
        Figure("la: CPS, forward and backward / step", cps / step, SHARE),
        Figure("la: peak memory of training", profile.peak_gib, PEAK, unit=" GiB"),
    ]


def measure(options: argparse.Namespace) -> Measured:
    name, method = options.preset, options.method
    small = {"patch_size": (32, 32, 32)} if options.quick else {}
    plan = preset_plan(name, CLASSES.get(name, 2), **small)
    repeats = 1 if options.quick else options.repeats or REPEATS.get(name, 5)
    profile = profile_step(plan, method, repeats=repeats, rates=not options.quick)
    for part, seconds in profile.parts.items():
        say(f"{name} {method} {part:34s} {seconds:8.4f} s {seconds / profile.step.median:6.1%}")
    step, floor = in_turns(plan, method, repeats)
    ratio = step.median / floor.median
    say(f"{name} {method} step: {step}; floor: {floor}; step / floor: {ratio:.3f}")
    figures = []
    if method == "crln":
        if name in FLOORS:
            figures.append(Figure(f"{name}: step / bare floor", ratio, FLOORS[name]))
        if name == "la":
            figures += shares(profile, plan, repeats)
    measured = {
        "preset": name, "method": method, "patch": plan.patch_size, "classes": plan.classes,
        **asdict(profile), "step": asdict(step), "floor": asdict(floor), "ratio": ratio,
        "limit": profile.limit, "step_peak_gib": profile.peak_gib,
    }  # fmt: skip
    return measured, figures


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="?", default="la", choices=preset_names())
    parser.add_argument("--method", default="crln", choices=sorted(METHODS))
    parser.add_argument("--repeats", type=int)


if __name__ == "__main__":
    main(__doc__, measure, arguments)
