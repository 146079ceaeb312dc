"""Seconds and memory of prediction, against MONAI's sliding window on the plain network.

Run: python benchmarks/inference.py [--data ../shared/data] [--only speed|memory] [--long]

Speed: a full-size LA volume, V-Net, windows of 112x112x80. "plain network" is the V-Net as torch
runs it: batch norms apart, default layout; "as trained" is the one of `crln.networks`; "folded,
channels last" is ours without the convolutions that replace torch's. The first two predict by
`monai.inferers.sliding_window_inference` in the same process, in turns with ours. Memory: a CT
volume of 512x512x600 voxels and 5 classes, in a process of its own; what the process holds at most
while it predicts, less what it held with the volume read. The windows do not overlap there: more of
them would take time, not memory.
"""

import argparse
import copy
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from crln.imaging import Grid, Volume
from crln.inference import Predictor, accelerate, score_slabs
from crln.inference.restore import outline
from crln.inference.sliding import Slab
from crln.inference.window import Tiling
from crln.labels import LabelSpace
from crln.memory import held_gib, peak_gib
from crln.networks import SegmentationNetwork, build_backbone
from crln.networks.blocks import ConvNormReLU, Pointwise
from crln.planning import Plan
from crln.planning.plan import Triple
from crln.preparation import prepare_image
from crln.profiling import Timing, repeat
from harness import Figure, Measured, main, say

LA = Plan(patch_size=(112, 112, 80), inference={"stride": (18, 18, 4), "weighting": "uniform"})
EVERYDAY = LA.updated({"inference": {"stride": None, "overlap": 0.5, "weighting": "gaussian"}})
CT = Plan(
    labels=LabelSpace(tuple(range(5)), tuple("abcde")), patch_size=(96, 96, 96),
    intensity=({"scheme": "window", "low": -200, "high": 300, "mean": 50, "std": 80},),
    inference={"overlap": 0.0},
)  # fmt: skip
CT_SHAPE, CT_SPACING = (512, 512, 600), (0.8, 0.8, 0.8)
RESAMPLED = CT.updated({"spacing": (1.0, 1.0, 1.0)})
GRIDS = ("own grid", "resampled")
KINDS = {
    "aten::mkldnn_convolution": "convolutions",
    "aten::slow_conv_transpose3d": "convolutions",
    "aten::mm": "matrix products",
    "aten::addmm": "matrix products",
    "aten::native_batch_norm": "norms",
    "aten::clamp_min_": "ReLU",
}


def trained_network(plan: Plan) -> nn.Module:
    """A network whose norms are not the identity, as after a training."""
    torch.manual_seed(0)
    network = SegmentationNetwork(build_backbone(plan.network, len(plan.channels)), plan.classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval().requires_grad_(False)


def as_torch_runs_it(network: nn.Module) -> nn.Module:
    """The same network of plain torch modules in the default layout."""
    plain = nn.Module()
    plain.network = copy.deepcopy(network)
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ConvNormReLU):
                setattr(parent, name, nn.Sequential(*child))
            elif isinstance(child, Pointwise):
                head = nn.Conv3d(child.in_channels, child.out_channels, 1)
                head.load_state_dict(child.state_dict())
                setattr(parent, name, head)
    result: nn.Module = plain.network
    for parameter in result.parameters():
        parameter.data = parameter.data.contiguous()
    return result.eval().requires_grad_(False)


def ours(network: nn.Module, image: Tensor, plan: Plan) -> Tensor:
    """Probabilities (K, X, Y, Z)."""
    scores = torch.empty(plan.classes, *image.shape[1:])
    for slab in score_slabs(network, image, plan):
        scores[(slice(None), *slab.index)] = slab.scores
    return scores


@torch.inference_mode()
def monai(network: nn.Module, image: Tensor, plan: Plan) -> Tensor:
    """The same by MONAI, whose overlap is a share of the window's side."""
    assert plan.inference.stride is not None
    overlap = [1 - s / p for s, p in zip(plan.inference.stride, plan.patch_size, strict=True)]
    # (1 - overlap) * side is cut to a whole number: half a voxel keeps rounding from taking one.
    overlap = [o - 0.5 / p for o, p in zip(overlap, plan.patch_size, strict=True)]
    scores = sliding_window_inference(
        image[None], plan.patch_size, 1, lambda windows: network(windows).softmax(1), overlap
    )
    return scores[0]


def read_heart(data: Path) -> Tensor:
    """A full-size LA volume (1, X, Y, Z)."""
    paths = sorted(data.glob("la_h5/*/*/mri_norm2.h5"))
    if not paths:
        raise SystemExit(f"{data}: no la_h5 case; give the folder of the real scans, --data")
    with h5py.File(paths[0]) as file:
        return torch.from_numpy(file["image"][:].astype(np.float32))[None]


def speed(data: Path, repeats: int, stride: Triple, long: bool) -> dict[str, Any]:
    """Seconds of each way, in turns, and the largest difference of probabilities."""
    paper = LA.updated({"inference": {"stride": stride}})
    image, network = read_heart(data), trained_network(LA)
    fast, plain = accelerate(network, "cpu"), as_torch_runs_it(network)
    folded = accelerate(network, "cpu", exact=True)
    ways: dict[str, Callable[[], Tensor]] = {
        "monai, plain network": lambda: monai(plain, image, paper),
        "ours": lambda: ours(fast, image, paper),
        "ours, everyday windows": lambda: ours(fast, image, EVERYDAY),
        "folded, channels last, everyday windows": lambda: ours(folded, image, EVERYDAY),
    }
    if long:
        ways["monai, as trained"] = lambda: monai(network, image, paper)
    for model in (plain, network, fast, folded):
        with torch.inference_mode():
            model(image[None, :, :112, :112, :80])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - start)
    found: dict[str, Any] = {}
    for name, values in seconds.items():
        plan = EVERYDAY if "everyday" in name else paper
        count = Tiling.of(image.shape[1:], LA.patch_size, plan.inference).count
        timing = Timing.of(values)
        found[name] = {**asdict(timing), "windows": count}
        say(f"LA {tuple(image.shape[1:])} {name:40s} {timing}, {count} windows, "
            f"{1e3 * timing.median / count:.0f} ms each")  # fmt: skip
    apart = (results["ours"] - results["monai, plain network"]).abs().max()
    parts = by_part(fast, image, repeats)
    window = image[None, :, :112, :112, :80].contiguous()
    models = {"monai, plain network": plain, "ours": fast}
    operations = {name: by_operation(name, model, window) for name, model in models.items()}
    return {
        "ways": found, "difference": float(apart), "parts": parts, "operations": operations
    }  # fmt: skip


@torch.inference_mode()
def by_operation(name: str, network: nn.Module, window: Tensor) -> dict[str, float]:
    """Seconds of a window, all threads on it, by kind of operation."""
    network(window)
    with torch.profiler.profile() as profile:
        network(window)
    found = dict.fromkeys([*KINDS.values(), "the rest: copies, sums"], 0.0)
    for event in profile.key_averages():
        kind = KINDS.get(event.key, "the rest: copies, sums")
        found[kind] += event.self_cpu_time_total / 1e6
    for kind, seconds in found.items():
        say(f"LA, one window, {name:24s} {kind:24s} {seconds:.3f} s")
    return found


def by_part(network: nn.Module, image: Tensor, repeats: int) -> dict[str, float]:
    """Seconds of a prediction with the everyday windows, from the scan to its mask."""
    volume = Volume(image.numpy(), Grid(tuple(image.shape[1:]), np.diag([0.625, 0.625, 0.625, 1])))
    prepared, placement = prepare_image(volume, EVERYDAY)

    def scored(model: nn.Module) -> Callable[[], object]:
        return lambda: deque(score_slabs(model, prepared, EVERYDAY), maxlen=0)

    class Nothing(nn.Module):
        """A network that costs nothing."""

        def forward(self, windows: Tensor) -> Tensor:
            return windows.expand(-1, EVERYDAY.classes, -1, -1, -1)

    whole = list(held(score_slabs(network, prepared, EVERYDAY)))
    around = repeat(scored(Nothing()), repeats).median
    found = {
        "prepare the scan": repeat(lambda: prepare_image(volume, EVERYDAY), repeats).median,
        "network": repeat(scored(network), repeats, 0).median - around,
        "cut, weigh and add windows": around,
        "classes on the scan's grid": repeat(
            lambda: outline(whole, placement, EVERYDAY.labels), repeats
        ).median,
    }
    for name, seconds in found.items():
        say(f"LA, everyday windows: {name:28s} {seconds:.3f} s")
    return found


def held(slabs: Iterable[Slab]) -> Iterator[Slab]:
    """Slabs that outlive the next one."""
    for slab in slabs:
        yield replace(slab, scores=slab.scores.clone())


def child(resampled: bool) -> None:
    """Predicts the CT volume; prints GiB before and at most, and seconds, as JSON."""
    plan = RESAMPLED if resampled else CT
    predictor = Predictor(trained_network(plan), plan)
    array = np.empty((1, *CT_SHAPE), np.float32)
    random = np.random.default_rng(0)
    for plane in array[0]:
        plane[:] = random.normal(50, 80, plane.shape)
    volume = Volume(array, Grid(CT_SHAPE, np.diag([*CT_SPACING, 1.0])))
    before, start = held_gib(), time.perf_counter()
    predictor.predict(volume)
    print(json.dumps({"above": peak_gib() - before, "seconds": time.perf_counter() - start}))


def memory(threads: int, grids: Iterable[str]) -> dict[str, dict[str, float]]:
    """GiB above the CT volume, on its own grid and resampled."""
    found = {}
    for name in grids:
        command = [sys.executable, __file__, "--child", name, "--threads", str(threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        say(f"CT {CT_SHAPE}, 5 classes, {name}: {found[name]['above']:.2f} GiB above the volume, "
            f"{found[name]['seconds']:.0f} s")  # fmt: skip
    return found


def measure(options: argparse.Namespace) -> Measured:
    if options.child:
        child(options.child == "resampled")
        return {}, []
    measured: dict[str, Any] = {}
    figures = []
    if options.only != "memory":
        stride = (56, 56, 40) if options.quick else (18, 18, 4)
        measured["speed"] = found = speed(options.data, options.repeats, stride, options.long)
        medians = {name: each["median"] for name, each in found["ways"].items()}
        base = medians["monai, plain network"]
        figures += [
            Figure("speed over monai on the plain network", base / medians["ours"], 1.8, False),
            Figure("largest difference of probabilities", found["difference"], 1e-4),
            Figure(
                "everyday windows: speed over the paper's windows",
                medians["ours"] / medians["ours, everyday windows"], 7, False,
            ),
        ]  # fmt: skip
    if options.only != "speed" and not options.quick:
        grids = GRIDS if options.long else GRIDS[:1]
        measured["memory"] = memory(options.threads, grids)
        figures += [
            Figure(f"memory above a CT volume, {name}", each["above"], 3, unit=" GiB")
            for name, each in measured["memory"].items()
        ]
    return measured, figures


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=("speed", "memory"))
    parser.add_argument(
        "--long",
        action="store_true",
        help="the CT volume resampled, MONAI on the network as trained",
    )
    parser.add_argument("--child", choices=GRIDS, help=argparse.SUPPRESS)


if __name__ == "__main__":
    main(__doc__, measure, arguments)
