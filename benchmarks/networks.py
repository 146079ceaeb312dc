"""Seconds of the networks at the `la` patch, as shares of the bare V-Net's.

The floor is what any step of the method must compute: teacher forward, two student forwards and
their backward, of the V-Net alone.

Run: python benchmarks/networks.py
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from crln.methods.crln.network import RectifiedNetwork
from crln.planning import Plan
from crln.profiling import repeat
from harness import Figure, Measured, main, say

PATCH, BATCH, SAMPLED = (112, 112, 80), 2, 4096
LAYOUT = torch.channels_last_3d
SHARE = 0.05
"""Target: what the Dynamic Interaction Module may add to the floor."""


def network_and_images(
    prototypes: int, patch: tuple[int, int, int]
) -> tuple[RectifiedNetwork, Tensor]:
    torch.manual_seed(0)
    plan = Plan.model_validate({"patch_size": patch, "network": {"prototypes": prototypes}})
    network = RectifiedNetwork(plan).to(memory_format=LAYOUT)
    return network, torch.randn(BATCH, 1, *patch).contiguous(memory_format=LAYOUT)


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


def measure(options: argparse.Namespace) -> Measured:
    patch, repeats = ((32, 32, 32), 1) if options.quick else (PATCH, options.repeats)
    network, images = network_and_images(options.prototypes, patch)
    found = {name: repeat(call, repeats) for name, call in parts(network, images).items()}
    floor = found["floor"].median
    for name, timing in found.items():
        say(f"{name:26s} {timing}, {timing.median / floor:6.1%} of the floor")
    share = sum(found[name].median for name in ("relation map, DIM", "DIM, teacher's forward"))
    figure = Figure("Dynamic Interaction Module, student and teacher / floor", share / floor, SHARE)
    return {"seconds": {name: asdict(timing) for name, timing in found.items()}}, [figure]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--prototypes", type=int, default=16, help="N per class; la: 16")


if __name__ == "__main__":
    main(__doc__, measure, arguments)
