"""Seconds and memory of the networks at the `la` patch, as shares of the bare V-Net's.

Run: python benchmarks/networks.py [--repeats 5] [--threads 2] [--json FILE]

Each part is timed in turn within every repeat, so that all see the same machine. "wall" is what a
clock says; "CPU" sums what the threads worked, which another program on the same cores lengthens
less. The floor is what any step of the method must compute: teacher forward, two student
forwards and their backward, of the V-Net alone. Memory and page faults are those of a process of
its own that takes whole steps.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from crln.memory import keep_freed_memory
from crln.networks import RectifiedNetwork
from crln.planning import Plan

PATCH, BATCH, SAMPLED = (112, 112, 80), 2, 4096
LAYOUT = torch.channels_last_3d
SHARE, PEAK = 0.05, 6.0
"""Targets: what the Dynamic Interaction Module may add to the floor; GiB of a step."""

STEPS = """
import resource, sys, torch
from crln.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
sys.path.insert(0, sys.argv[2])
from networks import network_and_images, whole_step
torch.set_num_threads(int(sys.argv[3]))
network, images = network_and_images(int(sys.argv[4]))
faults = []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    whole_step(network, images)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, *faults)
"""


def network_and_images(prototypes: int) -> tuple[RectifiedNetwork, Tensor]:
    torch.manual_seed(0)
    plan = Plan.model_validate({"patch_size": PATCH, "network": {"prototypes": prototypes}})
    network = RectifiedNetwork(plan).to(memory_format=LAYOUT)
    return network, torch.randn(BATCH, 1, *PATCH).contiguous(memory_format=LAYOUT)


def whole_step(network: RectifiedNetwork, images: Tensor) -> None:
    """Teacher and both students, every output that the losses see, and the backward pass."""
    with torch.no_grad():
        network(images)
    labelled, unlabelled = network.features(images), network.features(images)
    outputs = [network.head(labelled[0]), network.head(unlabelled[0]), network.relation(labelled)]
    voxels = torch.randint(0, 2 * BATCH * images[0, 0].numel(), (SAMPLED,))
    outputs.append(network.projection.at([labelled[0], unlabelled[0]], voxels))
    sum(output.square().mean() for output in outputs).backward()
    network.zero_grad()


def parts(network: RectifiedNetwork, images: Tensor) -> dict[str, Callable[[], None]]:
    """What is timed, each forward and backward unless it says otherwise."""
    with torch.no_grad():
        features = [f.requires_grad_() for f in network.features(images)]
    pairs = [features[0], features[0]]
    voxels = torch.randint(0, 2 * BATCH * images[0, 0].numel(), (SAMPLED,))

    def learn(call: Callable[[], Tensor]) -> Callable[[], None]:
        gradient = torch.randn_like(call())

        def run() -> None:
            call().backward(gradient)
            network.zero_grad()
            for each in features:
                each.grad = None

        return run

    def floor() -> None:
        with torch.no_grad():
            network.features(images)
        finest = [network.features(images)[0], network.features(images)[0]]
        torch.autograd.backward(finest, [torch.ones_like(f) for f in finest])
        network.zero_grad()

    def teacher_relation() -> None:
        with torch.no_grad():
            network.relation(features)

    return {
        "floor": floor,
        "V-Net": learn(lambda: network.features(images)[0]),
        "segmentation head": learn(lambda: network.head(features[0])),
        "relation map, DIM": learn(lambda: network.relation(features)),
        "DIM, teacher's forward": teacher_relation,
        f"projection of {SAMPLED} voxels": learn(lambda: network.projection.at(pairs, voxels)),
        "whole step": lambda: whole_step(network, images),
    }


def timed(calls: dict[str, Callable[[], None]], repeats: int) -> dict[str, dict[str, float]]:
    """Median seconds of each call, in turn, after one warm-up."""
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            start, work = time.perf_counter(), time.process_time()
            call()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - work)
    return {
        name: {
            "wall": statistics.median(wall[name][1:]),
            "spread": max(wall[name][1:]) - min(wall[name][1:]),
            "cpu": statistics.median(cpu[name][1:]),
        }
        for name in calls
    }


def memory(mode: str, threads: int, prototypes: int) -> dict[str, object]:
    """Peak GiB and page faults per step of a process that keeps freed memory, or does not."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", STEPS, mode, here, str(threads), str(prototypes)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak, *faults = output.split()
    return {"peak": float(peak), "faults": [int(count) for count in faults]}


def report(seconds: dict[str, dict[str, float]]) -> float:
    """Prints the table; returns the share that the Dynamic Interaction Module adds."""
    floor = seconds["floor"]
    for name, each in seconds.items():
        print(
            f"{name:26s} wall {each['wall']:7.3f} s (spread {each['spread']:6.3f}), "
            f"{each['wall'] / floor['wall']:6.1%} of the floor; "
            f"CPU {each['cpu']:7.3f} s, {each['cpu'] / floor['cpu']:6.1%}"
        )
    modules = ("relation map, DIM", "DIM, teacher's forward")
    return sum(seconds[name]["wall"] for name in modules) / floor["wall"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prototypes", type=int, default=16, help="N per class; la: 16")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    resident = {
        mode: memory(mode, options.threads, options.prototypes) for mode in ("keep", "plain")
    }
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    network, images = network_and_images(options.prototypes)
    seconds = timed(parts(network, images), options.repeats)
    share = report(seconds)
    for mode, each in resident.items():
        print(f"memory {mode:6s} peak {each['peak']:.2f} GiB, page faults a step {each['faults']}")
    if options.json:
        figures = {"seconds": seconds, "memory": resident}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    verdict = "met" if share <= SHARE else "missed"
    print(f"DIM, student and teacher: {share:.1%} of the floor, target <= {SHARE:.0%}: {verdict}")
    peak = resident["keep"]["peak"]
    verdict = "met" if peak <= PEAK else "missed"
    print(f"peak of a step, 2 + 2 patches: {peak:.2f} GiB, target <= {PEAK:.0f} GiB: {verdict}")


if __name__ == "__main__":
    main()
