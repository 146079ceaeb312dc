"""Run by other tests: methods learn for some steps, in one process or several, and outline a patch.

python following.py PLAN DEVICES OUT METHOD:STEPS:BITS:SIDE...

METHOD is a name, a task of a first stage, `beside`: denoising beside a method, or `stranger`:
labels alone, with a network that knows nothing of this package.

Two trainings that differ by rounding part within some steps in 32 bits: a voxel is one or the other
side of a threshold, and other voxels are drawn. In 64 bits what differs after 20 steps is wrong.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import crln.methods.base
from crln.augmentation import View, build_views
from crln.inference import accelerate
from crln.labels import IGNORE
from crln.methods import Batch, Method, Step, build_method
from crln.methods.first_stages import TASKS, build_first_stage
from crln.parallel.launch import Launch
from crln.parallel.processes import run_processes
from crln.planning import Plan
from crln.planning.plan import Triple
from crln.training.loop import make_step
from crln.training.optimiser import build_optimiser

PATCHES = 2


class Views32:
    """Views are made in 32 bits, whatever the networks have."""

    def __init__(self, plan: Plan, size: Triple) -> None:
        self.views = build_views(plan, size)
        self.read_size = self.views.read_size

    def draw(self, *given: Any) -> "View32":
        return View32(self.views.draw(*given))


class View32:
    def __init__(self, view: View) -> None:
        self.view = view

    def __getattr__(self, name: str) -> Any:
        def apply(values: Tensor, *given: Any, **named: Any) -> Tensor:
            bits = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
            made = getattr(self.view, name)(_to(values, torch.float32), *given, **named)
            torch.set_default_dtype(bits)
            return _to(made, bits)

        return apply


def _to(values: Tensor, kind: torch.dtype) -> Tensor:
    return values.to(kind) if values.is_floating_point() else values


def patches(method: Method, step: int, numbers: range) -> Batch:
    """Balls in noise; of some patches a part is outside the scan."""
    images, labels, insides = [], [], []
    for n in numbers:
        generator = torch.Generator().manual_seed(100 * step + n)
        axes = [torch.linspace(-1, 1, side) for side in method.read_size]
        x, y, z = torch.meshgrid(*axes, indexing="ij")
        a, b, c = torch.rand(3, generator=generator) - 0.5
        label = ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 < 0.3).long()
        images.append(label + 0.5 * torch.randn(label.shape, generator=generator))
        label[: n % 3] = IGNORE
        labels.append(label)
        insides.append(label != IGNORE)
    return Batch(torch.stack(images)[:, None], torch.stack(labels), torch.stack(insides))


class Stranger(nn.Module):
    """A network that does not say that it computes each patch by itself."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def every(self, images: Tensor) -> list[Tensor]:
        return [self(images)]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images)[0])


def build(name: str, plan: Plan) -> Any:
    if name in TASKS:
        return build_first_stage(build_method("sdcl", plan.updated({"pretrain": name})))
    if name == "beside":
        return build_method("mean_teacher", plan.updated({"training": {"denoise": 1.0}}))
    if name != "stranger":
        return build_method(name, plan)
    method: Any = build_method("supervised", plan)
    method.student = Stranger(method.student)
    return method


def learn(fabric: Fabric, plan: Plan, name: str, steps: int) -> dict[str, Any]:
    """The losses of each step, and what comes out of it by the plain path and by the fast one."""
    torch.manual_seed(0)
    method = build(name, plan)
    step = make_step(fabric, method, build_optimiser(method, plan.training))
    share = PATCHES // fabric.world_size
    first = fabric.global_rank * share
    rows = []
    for index in range(steps):
        labelled, unlabelled = (
            patches(method, index, range(kind + first, kind + first + share)) for kind in (0, 50)
        )
        given = [labelled, unlabelled] if method.uses_unlabelled else [labelled]
        losses = step(Step(index, steps, 0), given)
        rows.append({term: float(loss) for term, loss in losses.items()})
    return {"losses": rows} | ({} if name in TASKS else outlined(method, plan))


@torch.inference_mode()
def outlined(method: Method, plan: Plan) -> dict[str, list[float]]:
    """A class's probability along a patch's diagonal, without and with what makes it faster."""
    network = method.eval().predictor()
    x, y, z = plan.patch_size
    patch = patches(method, 99, range(1)).images[..., :x, :y, :z]
    plain = network(patch).softmax(1)
    fast = accelerate(network.float(), "cpu")(patch.float()).softmax(1)
    return {
        key: [float(found[0, 1, n, n, n]) for n in range(min(x, y, z))]
        for key, found in (("plain", plain), ("fast", fast))
    }


def work(fabric: Fabric, plan: Plan, jobs: list[str], out: Path) -> None:
    torch.set_num_threads(1)
    crln.methods.base.build_views = Views32
    found = {}
    for job in jobs:
        name, steps, bits, side = job.split(":")
        torch.set_default_dtype(torch.float64 if bits == "64" else torch.float32)
        sized = plan.updated({"patch_size": 3 * [int(side)]})
        found[name] = learn(fabric, sized, name, int(steps))
    if fabric.is_global_zero:
        out.write_text(json.dumps(found))


if __name__ == "__main__":
    plan, devices, out, *jobs = sys.argv[1:]
    job = partial(work, plan=Plan.read(Path(plan)), jobs=jobs, out=Path(out))
    if devices == "1":
        job(Fabric(accelerator="cpu", devices=1))
    else:
        run_processes(job, Launch(int(devices)), accelerator="cpu", precision="32-true")
