"""Trains, in one process or several."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from crln.cohort import Cohort
from crln.devices import settle_device
from crln.errors import CrlnError
from crln.parallel.launch import Launch, find_launch, run_processes
from crln.planning import Plan
from crln.runs import RunFolder, open_run
from crln.training.loop import Intervals, learn

PRECISIONS: dict[str, Any] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}  # Fabric's names


def train(
    cohort: Cohort,
    plan: Plan,
    out: Path,
    *,
    method: str = "crln",
    seed: int = 0,
    device: str = "auto",
    precision: str = "32",
    devices: int | None = None,
    nodes: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    transductive: bool = False,
    cache: Path | None = None,
    progress: bool = True,
    intervals: Intervals | None = None,
) -> RunFolder:
    """Learns from a cohort's labelled and unlabelled cases; the result is a model folder.

    The last weights are the result; with a validation split, those that scored best on it.

    Args:
        cohort: split into labelled, unlabelled, validation and test cases.
        plan: every decision; saved with the model.
        out: the model folder.
        method: a name from `crln.methods.METHODS`.
        seed: of every random draw.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "mps".
        precision: "32", "bf16" or "16" (mixed; losses stay in float32).
        devices: processes per machine, which divide the plan's patches of a step among them;
            default one, or those that torchrun or srun has started. The losses are those of one
            process. More than one are started from the script that calls this: guard its body with
            `if __name__ == "__main__":`.
        nodes: machines; more than one are started by torchrun or srun.
        resume: go on from the folder's checkpoint; the result is that of an uncut run.
        overwrite: replace a run that is in `out`.
        transductive: also learn from the validation and test scans, without their labels.
        cache: where prepared scans are kept; default $CRLN_CACHE or ~/.cache/crln.
        progress: draw a progress bar.
        intervals: steps between log rows, checkpoints and validations.

    Raises:
        CrlnError: the data, plan or folder has a fault that its user can mend, or a loss became
            NaN (the last good checkpoint stays).
    """
    accelerator, kind = fabric_names(device, precision)
    launch = find_launch(devices, nodes)
    _check_share(plan, launch, accelerator)
    work = partial(
        learn, cohort=cohort, plan=plan, out=Path(out), method=method, seed=seed,
        precision=precision, resume=resume, overwrite=overwrite, transductive=transductive,
        cache=cache, progress=progress, intervals=intervals or Intervals(),
    )  # fmt: skip
    settings = {"accelerator": accelerator, "precision": kind}
    if launch.count == 1:
        return work(Fabric(devices=1, **settings))
    run_processes(work, launch, **settings)
    return open_run(out)


def fabric_names(device: str, precision: str) -> tuple[str, Any]:
    """What Fabric calls a device (see `settle_device`) and a precision ("32", "bf16", "16").

    Half precision is for NVIDIA's GPUs. On a processor, gradients of 3x3x3 convolutions on the
    coarsest maps (2 voxels a side) come out NaN at random: seen with torch 2.13 on a processor
    with AVX-512 bfloat16, on a bare nn.Conv3d too.

    Raises:
        CrlnError: there is no such device, or the precision is not for it.
    """
    place = settle_device(device)
    if place.type != "cuda" and precision != "32":
        raise CrlnError(
            f"--precision {precision}: half precision is not reliable for training on "
            f"{'a processor' if place.type == 'cpu' else place.type}; use --precision 32, or an "
            "NVIDIA GPU"
        )
    if place.index is not None:
        raise CrlnError(
            f"--device {device}: training takes the first GPU that it sees; give --device cuda, "
            f"and set CUDA_VISIBLE_DEVICES={place.index}"
        )
    return place.type, PRECISIONS[precision]


def _check_share(plan: Plan, launch: Launch, accelerator: str) -> None:
    """Refuses processes that a step cannot be divided among, or that have no GPU of their own."""
    for name in ("labelled", "unlabelled"):
        patches = getattr(plan.training, name)
        if patches % launch.count:
            raise CrlnError(
                f"plan: training.{name}: {patches} patches a step cannot be divided among "
                f"{launch.count} processes; change it, or the number of --devices"
            )
    if accelerator == "cuda" and launch.devices > torch.cuda.device_count():
        raise CrlnError(
            f"--devices {launch.devices}: {torch.cuda.device_count()} GPUs found; ask for fewer"
        )
