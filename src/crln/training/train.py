"""The training loop: read it top to bottom; it never asks which method it runs."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from crln.cohort import Case, Cohort, save_split, unlabelled_pool
from crln.errors import CrlnError
from crln.methods import Batch, Method, Step, build_method
from crln.planning import Plan
from crln.preparation import prepare_cohort
from crln.runs import RunFolder
from crln.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from crln.training.folder import finish_run, keep_best, run_facts, start_run
from crln.training.log import Log
from crln.training.optimiser import build_optimiser, set_learning_rate
from crln.training.stream import Cut, PatchStream
from crln.training.validation import Validation

PRECISIONS: dict[str, Any] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}  # Fabric's names


@dataclass(frozen=True)
class Intervals:
    """Steps between events; None: a share of the training that suits most.

    Attributes:
        log: between rows of the log; default a fiftieth, at most 10.
        checkpoint: between checkpoints; default a twentieth, at most 500.
        validation: between validations; default a tenth.
    """

    log: int | None = None
    checkpoint: int | None = None
    validation: int | None = None

    def settled(self, total: int) -> tuple[int, int, int]:
        """The three numbers for a training of `total` steps."""
        return (
            self.log or max(1, min(10, total // 50)),
            self.checkpoint or max(1, min(500, total // 20)),
            self.validation or max(1, total // 10),
        )


def train(
    cohort: Cohort,
    plan: Plan,
    out: Path,
    *,
    method: str = "crln",
    seed: int = 0,
    device: str = "auto",
    precision: str = "32",
    resume: bool = False,
    overwrite: bool = False,
    transductive: bool = False,
    cache: Path | None = None,
    progress: bool = True,
    intervals: Intervals = Intervals(),
) -> RunFolder:
    """Learns from a cohort's labelled and unlabelled cases; the result is a model folder.

    The last weights are the result; with a validation split, those that scored best on it.

    Args:
        cohort: split into labelled, unlabelled, validation and test cases.
        plan: every decision; saved with the model.
        out: the model folder.
        method: a name from `crln.methods.METHODS`.
        seed: of every random draw.
        device: "auto", "cpu" or "cuda".
        precision: "32", "bf16" or "16" (mixed; losses stay in float32).
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
    accelerator = _accelerator(device)
    _check_precision(accelerator, precision)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=PRECISIONS[precision])
    torch.manual_seed(seed)  # decides the first weights; each step seeds its own draws
    learner = build_method(method, plan)
    pool = _unlabelled(cohort, learner, method, transductive)
    # Every file is read before the folder is made: a fault in the data leaves nothing behind.
    validation = Validation(prepare_cohort(cohort.validation, plan, cache), plan, fabric.device)
    streams = _streams(cohort, pool, learner, plan, seed, cache)
    facts = run_facts(cohort, method, seed, fabric.device, precision, len(pool))
    run = start_run(out, plan, facts, resume=resume, overwrite=overwrite)
    if run.finished:
        return run
    save_split(cohort, run.split)

    learner = learner.to(fabric.device)
    learner.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = build_optimiser(learner, plan.training)
    resumed = resume and run.checkpoint.exists()
    state = load_checkpoint(run.checkpoint, learner, optimiser) if resumed else Progress()
    total = plan.training.iterations
    log_every, checkpoint_every, validate_every = intervals.settled(total)
    step = _stepper(fabric, learner, optimiser)
    with closing(Log(run.log, total, state.step, log_every, progress)) as log:
        for index, cuts in enumerate(_cuts(streams, state.step, total), state.step):
            began = time.perf_counter()
            rate = set_learning_rate(optimiser, plan.training, index)
            losses = step(Step(index, total, seed), [fabric.to_device(cut.batch) for cut in cuts])
            seconds = time.perf_counter() - began
            log.add(index, losses, [case for cut in cuts for case in cut.cases], seconds)
            state.step, state.seconds = index + 1, state.seconds + seconds
            last = state.step == total
            checkpoint = last or state.step % checkpoint_every == 0
            validate = bool(validation) and (last or state.step % validate_every == 0)
            if log.due or checkpoint or validate:
                log.flush(rate)  # raises where a loss is not finite, before anything is saved
            if validate:
                score = validation.score(learner)
                log.row(state.step, {"validation": score})
                keep_best(run, learner, state, score)
            if checkpoint:
                save_checkpoint(run.checkpoint, learner, optimiser, state)
    return finish_run(run, learner, state)


def _accelerator(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise CrlnError("no CUDA device found; use --device cpu, or install a CUDA build of torch")
    return device


def _check_precision(accelerator: str, precision: str) -> None:
    """Refuses half precision on a processor.

    There, gradients of 3x3x3 convolutions on the coarsest maps (2 voxels a side) come out NaN at
    random: seen with torch 2.13 on a processor with AVX-512 bfloat16, on a bare nn.Conv3d too.
    """
    if accelerator == "cpu" and precision != "32":
        raise CrlnError(
            f"--precision {precision}: half precision is not reliable for training on a processor; "
            "use --precision 32, or a GPU"
        )


def _unlabelled(cohort: Cohort, learner: Method, name: str, transductive: bool) -> tuple[Case, ...]:
    """The scans to learn from without labels; CrlnError where either kind is missing."""
    if not cohort.labelled:
        raise CrlnError(f"{cohort.root}: no labelled case to learn from; put outlines in labels/")
    if not learner.uses_unlabelled:
        return ()
    pool = unlabelled_pool(cohort, transductive=transductive)
    if not pool:
        raise CrlnError(
            f"{cohort.root}: {name} learns from unlabelled scans and there are none; "
            "ask for fewer --labelled, or use --method supervised"
        )
    return pool


def _streams(
    cohort: Cohort, pool: Sequence[Case], learner: Method, plan: Plan, seed: int, cache: Path | None
) -> list[PatchStream]:
    """The labelled stream and, if the method learns from it, the unlabelled one."""
    training = plan.training
    count = training.labelled + (0 if learner.uses_unlabelled else training.unlabelled)
    parts: list[tuple[str, Sequence[Case], int, float]] = [
        ("labelled", cohort.labelled, count, training.foreground)
    ]
    if learner.uses_unlabelled:
        parts.append(("unlabelled", pool, training.unlabelled, 0.0))
    return [
        PatchStream(
            prepare_cohort(cases, plan, cache),
            plan.patch_size,
            learner.read_size,
            count,
            seed,
            purpose,
            foreground,
        )
        for purpose, cases, count, foreground in parts
    ]


def _cuts(streams: Sequence[PatchStream], first: int, last: int) -> Generator[tuple[Cut, ...]]:
    """Each step's cuts, one per stream."""
    ahead = [stream.ahead(first, last) for stream in streams]
    try:
        yield from zip(*ahead, strict=True)
    finally:
        for stream in ahead:
            stream.close()


def _stepper(
    fabric: Fabric, learner: Method, optimiser: torch.optim.Optimizer
) -> Callable[[Step, Sequence[Batch]], dict[str, Tensor]]:
    """One step of learning: losses, backward, optimiser, what the method does after it."""
    module, wrapped = fabric.setup(learner, optimiser)
    module.mark_forward_method("losses")
    clip = learner.plan.training.gradient_clip

    def step(at: Step, batches: Sequence[Batch]) -> dict[str, Tensor]:
        torch.manual_seed(at.derive("dropout"))
        labelled, unlabelled = (*batches, None)[:2]
        losses: dict[str, Tensor] = module.losses(labelled, unlabelled, at)
        fabric.backward(losses["total"])
        if clip is not None:
            fabric.clip_gradients(module, wrapped, max_norm=clip)
        wrapped.step()
        wrapped.zero_grad()
        learner.update(at)
        return {name: loss.detach() for name, loss in losses.items()}

    return step
