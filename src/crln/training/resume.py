"""What a training goes on with: its own method, seed and options, or a longer budget."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from crln.errors import CrlnError
from crln.methods import spelled_out
from crln.planning import Plan
from crln.planning.plan import TrainingPlan
from crln.runs import RunFolder, open_run
from crln.runs.folder import FACTS
from crln.runs.lifecycle import refuse_others, refuse_shared
from crln.training.optimiser import learning_rate_factor
from crln.training.options import Training

DISTILS = "supervised"
"""The method that learns an ensemble's outlines."""


def settled(options: Training, plan: Plan, out: Path) -> tuple[Training, Plan]:
    """The options with what was left open, and the plan with every option of the method.

    A run that is resumed says what was left open; otherwise it is CRLN, seed 0, 32 bits.

    Raises:
        CrlnError: the run to resume has another method, seed or precision than is asked for; or
            options exclude each other.
    """
    if options.pretrain:
        plan = plan.updated({"pretrain": {"task": options.pretrain}})
    if options.resume and (out / FACTS).exists():
        options, plan = _going_on(options, plan, out)
    else:
        if options.distil:
            options = _distilling(options)
        options = replace(
            options,
            method=options.method or "crln",
            seed=options.seed or 0,
            precision=options.precision or "32",
        )
    if options.start_from and options.pretrain not in (None, "none") and not options.resume:
        raise CrlnError(
            f"--start-from {options.start_from} and --pretrain {options.pretrain} exclude each "
            "other: weights that know labels need no first stage; leave one out"
        )
    if options.start_from:  # the weights know what labels, or scans, alone could teach
        plan = plan.updated({"training": {"labelled_start": 0.0}, "pretrain": {"task": "none"}})
    if options.distil and not plan.options.get(DISTILS, {}).get("drafts"):
        plan = plan.updated({"options": {DISTILS: {"drafts": 1.0}}})
    if steps := plan.pretrain.steps(plan.training.iterations):
        plan = plan.updated({"pretrain": {"iterations": steps}})
    return options, spelled_out(str(options.method), plan)


def _going_on(options: Training, plan: Plan, out: Path) -> tuple[Training, Plan]:
    """The options, and first stage, of the run that is resumed; CrlnError as of `settled`."""
    refuse_shared(out)
    begun = open_run(out)
    facts = begun.facts
    names = ("method", "seed", "precision")
    had, asked = ({name: getattr(told, name) for name in names} for told in (facts, options))
    refuse_others(out, had, asked)
    begun_from = Path(facts.start_from) if facts.start_from else None
    if options.start_from not in (None, begun_from):
        raise CrlnError(f"{out}: is begun already; leave out --start-from, or --resume")
    taught_by = Path(facts.distil) if facts.distil else None
    if options.distil not in (None, taught_by):
        raise CrlnError(f"{out}: is begun already; leave out --distil, or --resume")
    if plan.pretrain.iterations is None:  # a share of a budget that may be another by now
        plan = plan.updated({"pretrain": {"iterations": begun.plan.pretrain.iterations}})
    told = replace(
        options,
        method=facts.method, seed=facts.seed, precision=cast(Any, facts.precision),
        transductive=options.transductive or facts.transductive,
        start_from=begun_from, distil=taught_by,
    )  # fmt: skip
    return told, plan


def _distilling(options: Training) -> Training:
    """How an ensemble's outlines are learnt; CrlnError where it is asked to be otherwise."""
    if options.method not in (None, DISTILS):
        raise CrlnError(
            f"--distil teaches by --method {DISTILS}, not {options.method}; leave out --method"
        )
    if options.transductive:
        raise CrlnError(
            "--distil teaches nothing of validation and test scans; leave out --transductive"
        )
    return replace(options, method=DISTILS)


def schedule_notes(run: RunFolder, step: int) -> list[str]:
    """What of the schedule is otherwise from `step` on, where the plan was changed."""
    changes = [change for change in run.facts.changes if change.step == step]
    if not changes:
        return []
    now = run.plan.training
    before = now.model_copy(
        update={change.field.removeprefix("training."): change.before for change in changes}
    )
    fields = ", ".join(f"{change.field} {change.before} -> {change.now}" for change in changes)
    sentence = (
        f"goes on after step {step} with {fields}: the learning rate of the next step is "
        f"{_rate(now, step):.3g} (was to be {_rate(before, step):.3g}), then as the schedule of "
        f"{now.iterations} steps says"
    )
    if now.iterations != before.iterations and now.labelled_start:
        ends = round(now.labelled_start * now.iterations)
        sentence += f"; labels alone teach until step {ends}"
    return [sentence]


def _rate(plan: TrainingPlan, step: int) -> float:
    return plan.lr * learning_rate_factor(
        step, plan.iterations, schedule=plan.schedule, power=plan.power, warmup=plan.warmup
    )
