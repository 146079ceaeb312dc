"""Seconds and memory of prediction, against MONAI's sliding window on the plain network.

Run: python benchmarks/inference.py [--data ../shared/data] [--repeats 3] [--threads 2]
     [--json FILE] [--only speed|memory]

Speed: a full-size LA volume, V-Net, windows of 112x112x80. "plain network" is the V-Net as torch
runs it: batch norms apart, default layout; "as trained" is the one of `crln.networks`. Both predict
by `monai.inferers.sliding_window_inference` in the same process, in turns with ours. Memory: a CT
volume of 512x512x600 voxels and 5 classes, in a process of its own; what the process holds at most
while it predicts, less what it held with the volume read. The windows do not overlap there: more of
them would take time, not memory.
"""

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from crln.imaging import Volume
from crln.inference import Predictor, accelerate, score_slabs
from crln.inference.window import Tiling
from crln.memory import keep_freed_memory
from crln.networks import SegmentationNetwork, build_backbone
from crln.networks.blocks import ConvNormReLU, Pointwise
from crln.planning import Plan

LA = Plan(patch_size=(112, 112, 80), inference={"stride": (18, 18, 4), "weighting": "uniform"})
EVERYDAY = LA.updated({"inference": {"stride": None, "overlap": 0.5, "weighting": "gaussian"}})
CT = Plan(
    labels=tuple(range(5)), class_names=tuple("abcde"), patch_size=(96, 96, 96),
    intensity=({"scheme": "window", "low": -200, "high": 300, "mean": 50, "std": 80},),
    inference={"overlap": 0.0},
)  # fmt: skip
CT_SHAPE, CT_SPACING = (512, 512, 600), (0.8, 0.8, 0.8)
RESAMPLED = CT.updated({"spacing": (1.0, 1.0, 1.0)})
GIB = 2**30


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


def speed(data: Path, repeats: int) -> dict[str, float]:
    """Seconds of each way, in turns, and the largest difference of probabilities."""
    image, network = read_heart(data), trained_network(LA)
    fast, plain = accelerate(network, "cpu"), as_torch_runs_it(network)
    ways: dict[str, Callable[[], Tensor]] = {
        "monai, plain network": lambda: monai(plain, image, LA),
        "monai, as trained": lambda: monai(network, image, LA),
        "ours": lambda: ours(fast, image, LA),
        "ours, everyday windows": lambda: ours(fast, image, EVERYDAY),
    }
    for model in (plain, network, fast):
        with torch.inference_mode():
            model(image[None, :, :112, :112, :80])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            results[name] = way()
            seconds[name].append(time.perf_counter() - start)
    for name, values in seconds.items():
        plan = EVERYDAY if "everyday" in name else LA
        count = Tiling.of(image.shape[1:], LA.patch_size, plan.inference).count
        spread = max(values) - min(values)
        median = statistics.median(values)
        print(
            f"LA {tuple(image.shape[1:])} {name:24s} {median:7.2f} s (spread {spread:.2f}), "
            f"{count} windows, {1e3 * median / count:.0f} ms each"
        )
    result = {name: statistics.median(values) for name, values in seconds.items()}
    apart = (results["ours"] - results["monai, plain network"]).abs().max()
    return {**result, "difference": float(apart)}


def resident() -> float:
    """GiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / GIB


def child(resampled: bool) -> None:
    """Predicts the CT volume; prints GiB before and at most, and seconds, as JSON."""
    plan = RESAMPLED if resampled else CT
    predictor = Predictor(trained_network(plan), plan)
    array = np.empty((1, *CT_SHAPE), np.float32)
    random = np.random.default_rng(0)
    for plane in array[0]:
        plane[:] = random.normal(50, 80, plane.shape)
    volume = Volume(array, np.diag([*CT_SPACING, 1.0]))
    before, start = resident(), time.perf_counter()
    predictor.predict(volume)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    print(json.dumps({"above": peak - before, "seconds": time.perf_counter() - start}))


def memory(threads: int) -> dict[str, dict[str, float]]:
    """GiB above the CT volume, on its own grid and resampled."""
    found = {}
    for name in ("own grid", "resampled"):
        command = [sys.executable, __file__, "--child", name, "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout)
        print(
            f"CT {CT_SHAPE}, 5 classes, {name}: {found[name]['above']:.2f} GiB above the volume, "
            f"{found[name]['seconds']:.0f} s"
        )
    return found


def main() -> None:
    keep_freed_memory()  # before torch allocates
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--only", choices=("speed", "memory"))
    parser.add_argument("--child", choices=("own grid", "resampled"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        child(options.child == "resampled")
        return
    figures: dict[str, object] = {}
    lines = []
    if options.only != "memory":
        figures["speed"] = found = speed(options.data, options.repeats)
        base = found["monai, plain network"]
        ratio, everyday = base / found["ours"], base / found["ours, everyday windows"]
        trained = found["monai, as trained"] / found["ours"]
        lines += [
            ("times as fast as monai on the plain network", ratio, ">= 1.8", ratio >= 1.8),
            ("times as fast as monai on the network as trained", trained, ">= 1.0", trained >= 1),
            (
                "largest difference of probabilities", found["difference"], "< 1e-4",
                found["difference"] < 1e-4,
            ),
            ("everyday windows, times cheaper than the paper's", everyday, ">= 7", everyday >= 7),
        ]  # fmt: skip
    if options.only != "speed":
        figures["memory"] = held = memory(options.threads)
        lines += [
            (f"GiB above a CT volume, {name}", value["above"], "<= 3", value["above"] <= 3)
            for name, value in held.items()
        ]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, value, target, met in lines:
        print(f"{name}: {value:.3g}, target {target}: {'met' if met else 'missed'}")


if __name__ == "__main__":
    main()
