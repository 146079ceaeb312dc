"""Trains, in one process or several."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from crln.cohort import Cohort, check_structures
from crln.devices import settle_device
from crln.errors import CrlnError
from crln.memory import keep_freed_memory
from crln.parallel.launch import Launch, find_launch
from crln.planning import Plan
from crln.runs import RunFolder, open_run
from crln.runs.lifecycle import keep_inputs
from crln.training.distilling import with_outlines
from crln.training.listeners import Listener
from crln.training.loop import learn
from crln.training.options import Training
from crln.training.resume import settled
from crln.training.session import Task
from crln.training.stop import Stop

PRECISIONS: dict[str, Any] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}  # Fabric's names


def train(
    cohort: Cohort,
    plan: Plan,
    out: Path | str,
    options: Training | None = None,
    *,
    listeners: Sequence[Listener] = (),
    stop: threading.Event | None = None,
    **fields: Any,
) -> RunFolder:
    """Learns from a cohort's labelled and unlabelled cases; the result is a run folder.

    The last weights are the result; with a validation split, those that scored best on it.
    Ctrl-C and SIGTERM end it after the step that is being taken; it is saved and can be resumed.

    Memory that this process frees stays with it from here on (glibc alone: `mallopt`): a step
    takes and frees the same amounts again, and is 1.6 times as fast where the system does not give
    and take them each time.

    Args:
        cohort: split into labelled, unlabelled, validation and test cases.
        plan: every decision; saved with the model. A run that is resumed may get another budget
            (`training.iterations`) or learning rate (`training.lr`), which is noted in its facts.
        out: the run folder.
        options: how it is run; default `Training()`.
        listeners: are told how it goes.
        stop: set by another thread, it ends the training after the step that is being taken.
        fields: of `Training`, instead of those of `options`.

    Returns:
        The run folder; not `finished` where a listener or `stop` ended it.

    Raises:
        CrlnError: the data, plan or folder has a fault that its user can mend, or a loss became
            NaN (the last good checkpoint stays).
        Interrupted: by a signal; what was done is saved.

    Examples:
        >>> cohort = crln.split_cohort(crln.load_cohort("data"), labelled=8, test=20)
        >>> plan = crln.make_plan(cohort)
        >>> run = crln.train(cohort, plan, "new-run", method="mean_teacher", seed=1, progress=False)
        >>> run.finished
        True
    """
    keep_freed_memory()
    out = Path(out)
    options, plan = settled(replace(options or Training(), **fields), plan, out)
    if options.overwrite and not options.resume:
        keep_inputs(cohort, out)
    check_structures(cohort, plan.labels)
    if options.distil:
        cohort = with_outlines(cohort, plan, options)
    accelerator, kind = fabric_names(options.device, str(options.precision))
    launch = find_launch(options.devices, options.nodes)
    _check_share(plan, launch, accelerator)
    task = Task(cohort, plan, out, options, tuple(listeners))
    settings = {"accelerator": accelerator, "precision": kind}
    if launch.count == 1:
        return learn(Fabric(devices=1, **settings), task, Stop(stop))
    from crln.parallel.processes import run_processes

    run_processes(partial(learn, task=task), launch, **settings)
    return open_run(out)


def fabric_names(device: str, precision: str) -> tuple[str, Any]:
    """What Fabric calls a device (see `settle_device`) and a precision ("32", "bf16", "16").

    Half precision is for NVIDIA's GPUs. On a processor, gradients of 3x3x3 convolutions on the
    coarsest maps (2 voxels a side) come out NaN at random: seen with torch 2.13 on a processor
    with AVX-512 bfloat16, on a bare nn.Conv3d too.

    Raises:
        CrlnError: there is no such device, or the precision is not for it.
    """
    if precision not in PRECISIONS:
        raise CrlnError(f"precision {precision}: choose one of {', '.join(PRECISIONS)}")
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
