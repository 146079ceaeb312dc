"""The training loop: read it top to bottom; it never asks which method it runs."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from lightning_fabric import Fabric
from torch import Tensor

from crln.cohort import save_split
from crln.methods import Batch, Method, Step, build_method
from crln.parallel.launch import by_first
from crln.planning.bounds import check_batch
from crln.preparation import PreparedCase, what_was_seen
from crln.quality import what_was_outlined
from crln.runs import RunFolder
from crln.runs.checkpoint import Origin, Progress, load_checkpoint, save_checkpoint
from crln.runs.lifecycle import finish_run, keep_best, run_facts, start_run
from crln.runs.packages import needed
from crln.training.bar import show_progress
from crln.training.cases import find_pool, prepare_parts
from crln.training.first_stage import begin_first_stage, end_first_stage, scans_to_begin_with
from crln.training.listeners import Listener
from crln.training.log import Losses, Table, TensorBoard, check_terms
from crln.training.look import looking
from crln.training.optimiser import build_optimiser, set_learning_rate
from crln.training.page import RunPage, write_page
from crln.training.phases import phases_of
from crln.training.resume import schedule_notes
from crln.training.session import Session, Task
from crln.training.start_from import take_weights
from crln.training.stop import Stop
from crln.training.stream import PatchStream, batches_ahead
from crln.training.thin import LikelyParts, ThinParts
from crln.training.validation import Validation


def learn(fabric: Fabric, task: Task, stop: Stop | None = None) -> RunFolder:
    """What each process does; the first one alone tells listeners, validates and writes."""
    told: list[Listener] = []
    if fabric.is_global_zero:
        told = [Table(), *([TensorBoard()] if task.options.tensorboard else []), *task.listeners]
        told += [RunPage(task.cohort, task.out, task.options)] if task.options.page else []
        told += [show_progress()] if task.options.progress else []
    with ExitStack() as stack:
        for listener in told:
            stack.callback(listener.closed)
        session = _begin(fabric, task, told, stop or Stop())
        if isinstance(session, RunFolder):
            if fabric.is_global_zero and task.options.page:
                write_page(session.path)  # what a person has written since is shown
            return session
        if not (_take_first_stage(session) and _take_steps(session)):
            return session.run
        run, state = session.run, session.state
        look = looking(session.streams, task.plan, fabric.device)
        run = by_first(fabric, lambda: finish_run(run, session.learner, state, look))
        for listener in told:
            listener.finished(run)
        return run


def _begin(fabric: Fabric, task: Task, told: Sequence[Listener], stop: Stop) -> Session | RunFolder:
    """All that comes before the first step; a run that is finished already is given back."""
    cohort, plan, options = task.cohort, task.plan, task.options
    method, seed = str(options.method), int(options.seed or 0)
    torch.manual_seed(seed)  # decides the first weights; each step seeds its own draws
    learner = build_method(method, plan)
    learner.prepare()
    check_batch(plan, method, learner.uses_unlabelled)
    notes: list[str] = []
    if options.start_from:
        notes.append(take_weights(learner, options.start_from))
    pool = find_pool(cohort, learner, options)
    # Every file is read before the folder is made: a fault in the data leaves nothing behind.
    parts = (cohort.validation, cohort.labelled, pool, scans_to_begin_with(cohort, plan, options))
    validation, labelled, unlabelled, scans = prepare_parts(fabric, parts, plan, options, told)
    learnt = [*cohort.labelled, *cohort.validation, *parts[3], *pool]
    origin = by_first(fabric, lambda: Origin.of(plan, learnt, options.cache))
    facts = run_facts(
        cohort, fabric.device, len(pool), method=method, seed=seed, precision=options.precision,
        transductive=options.transductive, processes=fabric.world_size,
        start_from=str(options.start_from) if options.start_from else None,
        distil=str(options.distil) if options.distil else None,
        packages=needed(method, plan), seen=what_was_seen([*labelled, *unlabelled]),
        outlined=by_first(fabric, lambda: what_was_outlined(labelled, plan)),
    )  # fmt: skip
    how = {"resume": options.resume, "overwrite": options.overwrite}
    run = by_first(fabric, lambda: start_run(task.out, plan, facts, origin, **how))
    if by_first(fabric, lambda: run.finished):
        return run
    if fabric.is_global_zero:
        save_split(cohort, run.split)
    learner = learner.to(fabric.device)
    learner.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = build_optimiser(learner, plan.training)
    state = Progress()
    if by_first(fabric, lambda: options.resume and run.checkpoint.exists()):
        state = load_checkpoint(run.checkpoint, learner, optimiser)
        notes = schedule_notes(run, state.step)
    return Session(
        fabric, task, run, origin, learner, optimiser,
        make_streams(fabric, learner, seed, labelled, unlabelled),
        Validation(validation, plan, fabric.device), state, told, stop, tuple(notes), scans,
    )  # fmt: skip


def _take_first_stage(at: Session) -> bool:
    """What is left of a first stage, if there is one; whether the training itself is begun."""
    stage = begin_first_stage(at)
    if stage is not None:
        if not _take_steps(stage):
            return False
        end_first_stage(stage, at)
    at.tell_start(phases_of(type(at.learner), at.task.plan))
    return True


def _take_steps(at: Session) -> bool:
    """The loop; whether it came to its end, or was stopped."""
    fabric, plan, state, intervals = at.fabric, at.task.plan, at.state, at.task.options.intervals
    total, seed = plan.training.iterations, int(at.task.options.seed or 0)
    log_every, checkpoint_every, validate_every = intervals.settled(total)
    step = make_step(fabric, at.learner, at.optimiser)
    losses, saved = Losses(log_every), time.perf_counter()
    with at.stop.on_signals():
        for index, batches in enumerate(batches_ahead(at.streams, state.step, total), state.step):
            began = time.perf_counter()
            rate = set_learning_rate(at.optimiser, plan.training, index)
            terms = step(Step(index, total, seed), [fabric.to_device(b) for b in batches])
            last, row = index + 1 == total, False
            if fabric.is_global_zero:  # the others wait for it in the next step
                seconds = time.perf_counter() - began
                cases = [case for stream in at.streams for case in stream.cases_of(index)]
                losses.add(index, terms, cases, seconds)
                state.step, state.seconds = index + 1, state.seconds + seconds
                row = losses.due
                if row:
                    _tell_row(at, losses, rate)
                if at.scoring and (last or state.step % validate_every == 0):
                    _validate(at, losses, rate)
            stopped = not last and at.stop.agreed(fabric, (index + 1) % log_every == 0)
            overdue = row and time.perf_counter() - saved > intervals.seconds
            due = last or stopped or overdue or (index + 1) % checkpoint_every == 0
            if due and fabric.is_global_zero:
                _save(at, losses, rate)
                saved = time.perf_counter()
            if stopped:
                at.stop.raise_if_interrupted(at.task.out, state.step, total)
                return False
    return True


def _tell_row(at: Session, losses: Losses, rate: float) -> None:
    """Hands the steps that wait to the listeners.

    Raises:
        NotFiniteError: a loss is not finite; it comes before anything is scored or saved.
    """
    values = losses.take(rate)
    for listener in at.told if values else ():
        listener.row(at.state.step, values)


def _validate(at: Session, losses: Losses, rate: float) -> None:
    _tell_row(at, losses, rate)
    score = at.scoring.score(at.learner)
    best = keep_best(at.run, at.learner, at.state, score)
    for listener in at.told:
        listener.validated(at.state.step, score, best)


def _save(at: Session, losses: Losses, rate: float) -> None:
    _tell_row(at, losses, rate)
    save_checkpoint(at.run.checkpoint, at.learner, at.optimiser, at.state, at.origin)
    for listener in at.told:
        listener.saved(at.state.step)


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
    parts = [("labelled", labelled, count, training.foreground)]
    if learner.uses_unlabelled:
        drafted = training.foreground if learner.needs_drafts else 0.0
        parts.append(("unlabelled", pool, training.unlabelled, drafted))
    thin = ThinParts(learner.plan)  # of labels: unlabelled scans have none
    centres = {
        "labelled": thin,
        "unlabelled": LikelyParts(thin, labelled) if training.likely else thin,
    }
    return [
        PatchStream(
            cases, learner.plan.patch_size, learner.read_size, count, seed, purpose, foreground,
            fabric.global_rank, fabric.world_size, fabric.device.type == "cuda",
            centres[purpose],
        )
        for purpose, cases, count, foreground in parts
    ]  # fmt: skip


def make_step(
    fabric: Fabric, learner: Method, optimiser: torch.optim.Optimizer
) -> Callable[[Step, Sequence[Batch]], dict[str, Tensor]]:
    """One step of learning: losses, backward, optimiser, what the method does after it."""
    module, wrapped = fabric.setup(learner, optimiser)
    module.mark_forward_method("step_losses")
    clip = learner.plan.training.gradient_clip
    share = None
    if fabric.world_size > 1:
        from crln.parallel.share import distribute

        share = distribute(learner, fabric.global_rank, fabric.world_size)
    terms: dict[str, None] = {}  # of the steps before, in their order

    def step(at: Step, batches: Sequence[Batch]) -> dict[str, Tensor]:
        torch.manual_seed(at.derive("dropout"))
        if share:
            batches = [batch.each(share.all_rows) for batch in batches]
        labelled, unlabelled = (*batches, None)[:2]
        losses: dict[str, Tensor] = module.step_losses(labelled, unlabelled, at)
        check_terms(type(learner).__name__, losses, terms)
        terms.update(dict.fromkeys(losses))
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
