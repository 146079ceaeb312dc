"""The same code on a GPU: a step of every method, and a prediction. Without one: a line.

Per method and precision: the seconds of a step against the floor, which is one forward and backward
pass of the plan's network over as many patches; whether a step waits for the host (torch's own
check); and the losses of a step against the processor's. What is drawn on the device is drawn
otherwise there, so losses agree to some per cent. Then a whole volume's probabilities against the
processor's, and their seconds.

Run: make gpu, or python benchmarks/gpu.py [--methods NAME ...] [--quick] [--json gpu.json]
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric

from crln.devices import settle_device
from crln.inference import accelerate, sliding_window
from crln.methods import METHODS, Batch, Method, Step, build_method
from crln.networks import SegmentationNetwork, build_backbone
from crln.planning import Plan
from crln.profiling import bench
from crln.training.loop import make_step
from crln.training.optimiser import build_optimiser
from crln.training.start import PRECISIONS
from harness import Figure, Measured, main, preset_plan, say

LATE = Step(index=99, total=100, seed=0)
"""Past the labelled start, warm-ups and ramps: every term is there."""
APART = {"32": 0.05, "bf16": 0.1, "16": 0.1}
"""Largest relative difference of the total loss from the processor's."""
PROBABILITY = 1e-3
STEP = 3.0
"""Target: step / floor of CRLN, which computes a teacher and two views besides the labels."""


def settled(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, until the device has done it."""
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def patches(method: Method) -> list[Batch]:
    """A labelled batch, and an unlabelled one if it is learnt from; the same on every device."""
    training, made = method.plan.training, []
    for seed, count in enumerate((training.labelled, training.unlabelled)):
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(count, 1, *method.read_size, generator=generator)
        labels = (images[:, 0] > 0.5).long()
        made.append(Batch(images, labels, torch.ones_like(labels, dtype=torch.bool)))
    return made if method.uses_unlabelled else made[:1]


def losses(name: str, plan: Plan, device: torch.device, precision: str) -> dict[str, float]:
    """Of one step."""
    fabric = Fabric(accelerator=device.type, devices=1, precision=PRECISIONS[precision])
    torch.manual_seed(0)
    method = build_method(name, plan)
    batches = patches(method)
    method.to(fabric.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    step = make_step(fabric, method, build_optimiser(method, plan.training))
    found = step(LATE, [fabric.to_device(batch) for batch in batches])
    return {term: float(loss) for term, loss in found.items()}


def waits(name: str, plan: Plan, device: torch.device) -> bool:
    """Whether the losses of a step have the host wait for a GPU."""
    method = build_method(name, plan).to(device)
    batches = [Batch(*(part.to(device) for part in batch)) for batch in patches(method)]
    method.losses(*(*batches, None)[:2], LATE)["total"].backward()  # what is made once is made
    torch.cuda.set_sync_debug_mode("error")
    try:
        method.losses(*(*batches, None)[:2], LATE)["total"].backward()
    except RuntimeError as error:
        if "synchron" not in str(error).lower():
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def floor(plan: Plan, device: torch.device, precision: str, repeats: int) -> float:
    """Seconds of the network's own forward and backward pass over the patches of a step."""
    fabric = Fabric(accelerator=device.type, devices=1, precision=PRECISIONS[precision])
    network = SegmentationNetwork(build_backbone(plan.network, 1), plan.classes)
    network.to(fabric.device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    count = plan.training.labelled + plan.training.unlabelled
    images = torch.randn(count, 1, *plan.patch_size, device=fabric.device)
    images = images.contiguous(memory_format=torch.channels_last_3d)

    def run() -> None:
        with fabric.autocast():
            loss = network(images).float().square().mean()
        loss.backward()
        network.zero_grad()

    return median([settled(run, fabric.device) for _ in range(2 + repeats)][2:])


def predictions(plan: Plan, device: torch.device) -> dict[str, float]:
    """Seconds of a volume's classes on the device, and how far a patch's probabilities are."""
    torch.manual_seed(0)
    network = SegmentationNetwork(build_backbone(plan.network, 1), plan.classes).eval()
    image = torch.randn(1, *(2 * side for side in plan.patch_size)).numpy()
    window = torch.randn(1, 1, *plan.patch_size)
    here, there = (accelerate(network, where) for where in ("cpu", device))
    with torch.inference_mode():
        expected = here(window).softmax(1)
        apart = (there(window.to(device)).softmax(1).cpu() - expected).abs().max()
    first, again = (
        settled(lambda: sliding_window(there, image, plan, device), device) for _ in range(2)
    )
    return {"first": first, "seconds": again, "apart": float(apart)}


def method_figures(
    name: str, plan: Plan, small: Plan, options: argparse.Namespace, device: torch.device
) -> tuple[dict[str, Any], list[Figure]]:
    """What one method takes in each precision, and how far its losses are."""
    repeats = 1 if options.quick else options.repeats
    precisions = ["32", "bf16", "16"] if device.type == "cuda" else ["32"]
    expected = losses(name, small, torch.device("cpu"), "32")
    found: dict[str, Any] = {"losses on the processor": expected}
    figures = []
    if device.type == "cuda":
        found["waits"] = waits(name, small, device)
        figures.append(Figure(f"{name}: waits for the host", float(found["waits"]), 0))
    for precision in precisions:
        theirs = losses(name, small, device, precision)
        with bench(plan, name, 2 + repeats, device.type, PRECISIONS[precision]) as made:
            seconds = median(made.timed(2 + repeats)[2:])
        bare = floor(plan, device, precision, repeats)
        apart = abs(theirs["total"] - expected["total"]) / abs(expected["total"])
        found[precision] = {"step": seconds, "floor": bare, "losses": theirs, "apart": apart}
        say(f"{name} {precision:4s} step {seconds:.4f} s, floor {bare:.4f} s, "
            f"{seconds / bare:.2f} of it; total loss {apart:.2%} apart")  # fmt: skip
        figures.append(Figure(f"{name}, {precision}: loss apart", apart, APART[precision]))
        if name == "crln":
            figures.append(Figure(f"crln, {precision}: step / floor", seconds / bare, STEP))
    return found, figures


def measure(options: argparse.Namespace) -> Measured:
    if options.device == "cuda" and not torch.cuda.is_available():
        say("no CUDA device here: nothing was measured; where there is one, this takes ten minutes")
        return {}, []
    device = settle_device(options.device)
    networks = {"network": {"widths": (4, 4, 8, 8, 8), "prototypes": 2, "embedding": 4}}
    small = preset_plan("phantom", **networks, patch_size=(32, 32, 32))
    plan = small if options.quick else preset_plan("la")
    measured: dict[str, Any] = {"device": str(device), "methods": {}}
    if device.type == "cuda":
        measured["device"] = torch.cuda.get_device_name(device)
    figures: list[Figure] = []
    for name in options.methods:
        found, of_method = method_figures(name, plan, small, options, device)
        measured["methods"][name] = found
        figures += of_method
    measured["prediction"] = found = predictions(plan, device)
    say(f"a volume of 8 patches: {found['seconds']:.3f} s, the first {found['first']:.3f} s")
    figures.append(Figure("probabilities apart", found["apart"], PROBABILITY))
    return measured, figures


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--methods", nargs="+", default=sorted(METHODS), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: a trial")


if __name__ == "__main__":
    main(__doc__, measure, arguments)
