"""One training step against the bare floor, measured in the same process.

The floor is the arithmetic no method can do without: teacher forward, two student forwards and
their backward, of the plain backbone. Usage: python benchmarks/step.py [la|hippocampus] [repeats]
"""

from crln.memory import keep_freed_memory

keep_freed_memory()  # before torch allocates

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from crln.methods import Batch, Step, build_method
from crln.networks import build_backbone
from crln.planning import Plan, read_preset
from crln.training.optimiser import build_optimiser

TARGETS = {"la": 1.35, "hippocampus": 1.25}
WARM_UP = 2


def seconds(action: Callable[[], object], repeats: int) -> list[float]:
    """Of each repeat, after the warm-up."""
    times = []
    for index in range(WARM_UP + repeats):
        began = time.perf_counter()
        action()
        if index >= WARM_UP:
            times.append(time.perf_counter() - began)
    return times


def random_batch(size: tuple[int, ...], classes: int) -> Batch:
    images = torch.rand(2, 1, *size).contiguous(memory_format=torch.channels_last_3d)
    smooth = nn.functional.avg_pool3d(images, 5, 1, 2)[:, 0]
    return Batch(images, (smooth * 2 * (classes - 1)).round().long().clamp(max=classes - 1))


def crln_step(plan: Plan) -> Callable[[], None]:
    method = build_method("crln", plan)
    method.to(memory_format=torch.channels_last_3d)
    optimiser = build_optimiser(method, plan.training)
    labelled = random_batch(method.read_size, plan.classes)
    unlabelled = random_batch(method.read_size, plan.classes)
    unlabelled = Batch(unlabelled.images, torch.zeros_like(unlabelled.labels))
    index = plan.training.iterations // 2  # rectification is on

    def step() -> None:
        nonlocal index
        at = Step(index, plan.training.iterations, 0)
        method.losses(labelled, unlabelled, at)["total"].backward()
        optimiser.step()
        optimiser.zero_grad()
        method.update(at)
        index += 1

    return step


def floor_step(plan: Plan) -> Callable[[], None]:
    network = build_backbone(plan.network, 1)
    network.to(memory_format=torch.channels_last_3d)
    patches = torch.rand(2, 1, *plan.patch_size).contiguous(memory_format=torch.channels_last_3d)

    def finest(images: Tensor) -> Tensor:
        features: Tensor = network(images)[0]
        return features

    def step() -> None:
        with torch.no_grad():
            finest(patches)
        (finest(patches).mean() + finest(patches).mean()).backward()
        network.zero_grad()

    return step


def main(name: str = "la", repeats: int = 5) -> None:
    torch.manual_seed(0)
    classes = 2 if name == "la" else 3
    named = {
        "labels": list(range(classes)),
        "class_names": ["background", "first", "second"][:classes],
    }
    plan = Plan.model_validate(read_preset(name, 1) | named)
    step = seconds(crln_step(plan), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    floor = seconds(floor_step(plan), repeats)
    for label, times in (("crln step", step), ("floor", floor)):
        print(f"{name} {label}: {median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")
    print(f"{name} peak memory: {peak:.2f} GiB")
    ratio = median(step) / median(floor)
    verdict = "met" if ratio <= TARGETS[name] else "missed"
    print(f"{name} step / floor: {ratio:.2f}, target {TARGETS[name]}, {verdict}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(n) for n in sys.argv[2:3]))
