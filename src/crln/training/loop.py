"""The training loop: read it top to bottom; it never asks which method it runs."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from crln.cohort import Case, Cohort, save_split, unlabelled_pool
from crln.errors import CrlnError
from crln.methods import Batch, Method, Step, build_method, spelled_out
from crln.parallel.launch import by_first
from crln.planning import Plan
from crln.planning.bounds import check_batch
from crln.preparation import PreparedCase, prepare_cohort
from crln.runs import RunFolder
from crln.runs.checkpoint import Progress, load_checkpoint, save_checkpoint
from crln.runs.lifecycle import finish_run, keep_best, run_facts, start_run
from crln.training.log import Log
from crln.training.optimiser import build_optimiser, set_learning_rate
from crln.training.stream import PatchStream
from crln.training.validation import Validation


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


def learn(
    fabric: Fabric,
    *,
    cohort: Cohort,
    plan: Plan,
    out: Path,
    method: str,
    seed: int,
    precision: str,
    resume: bool,
    overwrite: bool,
    transductive: bool,
    cache: Path | None,
    progress: bool,
    intervals: Intervals,
) -> RunFolder:
    """What each process does; the first one alone logs, validates and writes."""
    plan = spelled_out(method, plan)
    torch.manual_seed(seed)  # decides the first weights; each step seeds its own draws
    learner = build_method(method, plan)
    check_batch(plan, method, learner.uses_unlabelled)
    pool = _unlabelled(cohort, learner, method, transductive)
    # Every file is read before the folder is made: a fault in the data leaves nothing behind.
    prepare = partial(_prepare, fabric, plan, cache)
    validation = Validation(prepare(cohort.validation), plan, fabric.device)
    streams = make_streams(fabric, learner, seed, prepare(cohort.labelled), prepare(pool))
    facts = run_facts(cohort, method, seed, fabric.device, precision, len(pool))
    facts["processes"] = fabric.world_size
    run = by_first(fabric, lambda: start_run(out, plan, facts, resume=resume, overwrite=overwrite))
    if by_first(fabric, lambda: run.finished):
        return run
    if fabric.is_global_zero:
        save_split(cohort, run.split)

    learner = learner.to(fabric.device)
    learner.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = build_optimiser(learner, plan.training)
    resumed = by_first(fabric, lambda: resume and run.checkpoint.exists())
    state = load_checkpoint(run.checkpoint, learner, optimiser) if resumed else Progress()
    total = plan.training.iterations
    log_every, checkpoint_every, validate_every = intervals.settled(total)
    step = make_step(fabric, learner, optimiser)
    with ExitStack() as stack:
        log = None
        if fabric.is_global_zero:
            log = Log(run.log, total, state.step, log_every, progress)
            stack.callback(log.close)
        for index, batches in enumerate(batches_ahead(streams, state.step, total), state.step):
            began = time.perf_counter()
            rate = set_learning_rate(optimiser, plan.training, index)
            losses = step(Step(index, total, seed), [fabric.to_device(b) for b in batches])
            if log is None:
                continue  # and wait for the first process in the next step
            seconds = time.perf_counter() - began
            log.add(index, losses, [case for s in streams for case in s.cases_of(index)], seconds)
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
    return by_first(fabric, lambda: finish_run(run, learner, state))


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


def _prepare(
    fabric: Fabric, plan: Plan, cache: Path | None, cases: Sequence[Case]
) -> list[PreparedCase]:
    """The prepared cases; processes prepare a part of them each."""
    if fabric.world_size > 1:
        prepare_cohort(cases[fabric.global_rank :: fabric.world_size], plan, cache)
        fabric.barrier()
    return prepare_cohort(cases, plan, cache)


def make_streams(
    fabric: Fabric,
    learner: Method,
    seed: int,
    labelled: Sequence[PreparedCase],
    pool: Sequence[PreparedCase],
) -> list[PatchStream]:
    """The labelled stream and, if the method learns from it, the unlabelled one."""
    training = learner.plan.training
    count = training.labelled + (0 if learner.uses_unlabelled else training.unlabelled)
    parts: list[tuple[str, Sequence[PreparedCase], int, float]] = [
        ("labelled", labelled, count, training.foreground)
    ]
    if learner.uses_unlabelled:
        parts.append(("unlabelled", pool, training.unlabelled, 0.0))
    return [
        PatchStream(
            cases,
            learner.plan.patch_size,
            learner.read_size,
            count,
            seed,
            purpose,
            foreground,
            fabric.global_rank,
            fabric.world_size,
            pin=fabric.device.type == "cuda",
        )
        for purpose, cases, count, foreground in parts
    ]


def batches_ahead(
    streams: Sequence[PatchStream], first: int, last: int
) -> Generator[tuple[Batch, ...]]:
    """Each step's batches, one per stream."""
    ahead = [stream.ahead(first, last) for stream in streams]
    try:
        yield from zip(*ahead, strict=True)
    finally:
        for stream in ahead:
            stream.close()


def make_step(
    fabric: Fabric, learner: Method, optimiser: torch.optim.Optimizer
) -> Callable[[Step, Sequence[Batch]], dict[str, Tensor]]:
    """One step of learning: losses, backward, optimiser, what the method does after it."""
    module, wrapped = fabric.setup(learner, optimiser)
    module.mark_forward_method("losses")
    clip = learner.plan.training.gradient_clip
    share = None
    if fabric.world_size > 1:
        from crln.parallel.share import distribute

        share = distribute(learner, fabric.global_rank, fabric.world_size)

    def step(at: Step, batches: Sequence[Batch]) -> dict[str, Tensor]:
        torch.manual_seed(at.derive("dropout"))
        if share:
            batches = [Batch(*map(share.all_rows, batch)) for batch in batches]
        labelled, unlabelled = (*batches, None)[:2]
        losses: dict[str, Tensor] = module.losses(labelled, unlabelled, at)
        fabric.backward(losses["total"])
        if share:
            share.average_gradients(module.parameters())
        if clip is not None:
            fabric.clip_gradients(module, wrapped, max_norm=clip, error_if_nonfinite=False)
        wrapped.step()
        wrapped.zero_grad()
        learner.update(at)
        return {name: loss.detach() for name, loss in losses.items()}

    return step
