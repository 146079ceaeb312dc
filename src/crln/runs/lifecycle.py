"""Begins, resumes and ends a run folder."""

import copy
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crln.cohort import Cohort
from crln.errors import CrlnError
from crln.files import read_tensors, write_tensors
from crln.memory import GIB, peak_gib
from crln.methods import Method, spelled_out
from crln.planning import Plan
from crln.quality import Features
from crln.runs.checkpoint import Origin, Progress, read_origin
from crln.runs.ensemble import is_ensemble, open_ensemble
from crln.runs.facts import FORMAT, Change, Facts
from crln.runs.folder import FACTS, PLAN, RunFolder, open_run
from crln.runs.provenance import environment_facts

BEST = "best.safetensors"

MAY_CHANGE = ("training.iterations", "training.lr")
"""Fields of the plan that a resumed training may go on with otherwise."""


def start_run(
    out: Path, plan: Plan, facts: Facts, origin: Origin, *, resume: bool, overwrite: bool
) -> RunFolder:
    """A new run folder, or the one to resume.

    Raises:
        CrlnError: `out` holds a run (neither resume nor overwrite), something that is no run, or
            a run of other cases, labels or plan.
    """
    if resume and (out / FACTS).exists():
        return _resumed(open_run(out), plan, facts, origin)
    if taken(out, FACTS, overwrite):
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CrlnError(
            f"{out}: cannot be made ({error.strerror}); choose another --out"
        ) from error
    run = RunFolder(out, plan, facts)
    run.write_facts()
    return run


def taken(out: Path, mark: str, overwrite: bool) -> bool:
    """Whether a folder holds something, which may be replaced.

    Args:
        out: the folder.
        mark: the file that tells its kind: what is no run folder, or no ensemble, stays.
        overwrite: whether it may be replaced.

    Raises:
        CrlnError: it may not.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not overwrite:
        raise CrlnError(f"{out}: exists already; use --resume, --overwrite or another --out")
    if not (out / mark).exists():
        what = "run folder" if mark == FACTS else "ensemble"
        raise CrlnError(f"{out}: is no {what}, so it is not overwritten; remove it yourself")
    return True


def keep_inputs(cohort: Cohort, out: Path) -> None:
    """Refuses to replace a folder that holds what is learnt from."""
    folder = out.resolve()
    for file in cohort.files:
        if file.resolve().is_relative_to(folder):
            raise CrlnError(f"{out}: holds {file}, so it is not replaced; give another --out")


def refuse_others(
    path: Path, had: Mapping[str, Any], asked: Mapping[str, Any], kind: str = "run"
) -> None:
    """Refuses to go on with a folder by other settings than its own.

    Args:
        path: the folder.
        had: its settings, by name.
        asked: what is asked for now; None: whatever it has.
        kind: of folder, for a person.

    Raises:
        CrlnError: one is another.
    """
    for name, value in had.items():
        if asked[name] not in (None, value):
            raise CrlnError(
                f"{path}: the {kind} has {name} {value}, not {asked[name]}; resume it with its own "
                "settings"
            )


def refuse_shared(path: Path) -> None:
    """Refuses to go on with a model that was made to be handed on.

    Raises:
        CrlnError: the folder is one.
    """
    members = open_ensemble(path).members if is_ensemble(path) else ()
    files = [path / FACTS, *(path / member.folder / FACTS for member in members)]
    if any(Facts.read(file).shared for file in files if file.exists()):
        raise CrlnError(
            f"{path}: a shared model, which holds what prediction needs and no more; begin "
            f"another run with --start-from {path}"
        )


def _resumed(run: RunFolder, plan: Plan, facts: Facts, origin: Origin) -> RunFolder:
    """The run to go on with; with a longer budget or another rate, changed on disk too."""
    names = ("labelled", "unlabelled")
    had, asked = ({name: getattr(told, name) for name in names} for told in (run.facts, facts))
    refuse_others(run.path, had, asked)
    learnt, progress = Origin(), Progress()
    if run.checkpoint.exists():
        progress, learnt = read_origin(run.checkpoint)
    if other := learnt.changed(origin, all_of_it=True):
        more = f" (and {len(other) - 1} more)" if len(other) > 1 else ""
        raise CrlnError(
            f"{run.path}: {other[0]}{more} has changed since the run learnt from it; "
            f"train again, or begin another run with --start-from {run.path}"
        )
    before = Plan.model_validate(learnt.plan) if learnt.plan else run.plan
    before = spelled_out(run.facts.method, before)  # with options that it did not know yet
    changes = _changes(run, before, plan, progress.step)
    if not changes:
        if run.plan != plan:  # a file that was edited since, though the checkpoint knows better
            run = RunFolder(run.path, plan, run.facts)
            run.write_facts()
        return run
    if not run.checkpoint.exists() and run.sealed:
        raise CrlnError(f"{run.path}: no checkpoint to go on from; train again, or --start-from")
    run.unseal()
    told = run.facts.updated(changes=(*run.facts.changes, *changes))
    changed = RunFolder(run.path, plan, told)
    changed.write_facts()
    return changed


def _changes(run: RunFolder, before: Plan, now: Plan, step: int) -> list[Change]:
    """What the plan says otherwise; CrlnError where a run cannot go on with that."""
    found = allowed_changes(run.path, before, now)
    if "training.iterations" in found and now.training.iterations <= step:
        raise CrlnError(
            f"{run.path}: {step} steps are done, {now.training.iterations} are asked for; "
            "give more --iterations"
        )
    return [
        Change(step=step, field=name, before=ours, now=theirs)
        for name, (ours, theirs) in found.items()
    ]


def allowed_changes(path: Path, before: Plan, now: Plan) -> dict[str, tuple[Any, Any]]:
    """Where the plan to go on with differs from that which a folder was begun with.

    Raises:
        CrlnError: in a field that a training cannot go on with otherwise.
    """
    found = plan_differences(before, now)
    if fixed := [name for name in found if name not in MAY_CHANGE]:
        ours, theirs = found[fixed[0]]
        more = f" (and {', '.join(fixed[1:])})" if fixed[1:] else ""
        raise CrlnError(
            f"{path}: was begun with another plan: {fixed[0]} is {ours}, not {theirs}{more}; "
            f"resume it with --plan {path / PLAN}, or give another --out"
        )
    return found


def plan_differences(ours: Plan, theirs: Plan) -> dict[str, tuple[Any, Any]]:
    """Field, as in "training.lr", to its value in either plan, where they differ."""
    return _differences(ours.model_dump(mode="json"), theirs.model_dump(mode="json"))


def _differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], above: str = ""
) -> dict[str, tuple[Any, Any]]:
    found: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            found |= _differences(one, other, f"{above}{name}.")
        elif one != other:
            found[f"{above}{name}"] = one, other
    return found


def run_facts(cohort: Cohort, device: torch.device, unlabelled: int, **told: Any) -> Facts:
    """What the folder says of itself: what was run, on what, where.

    Args:
        cohort: that is learnt from.
        device: that computes.
        unlabelled: cases without a label that are learnt from.
        told: method, seed and what else is known of the run.
    """
    return Facts(
        format=FORMAT,
        data=str(cohort.root),
        labelled=len(cohort.labelled),
        unlabelled=unlabelled,
        validation=len(cohort.validation),
        test=len(cohort.test),
        **told,
        **environment_facts(device),
    )


def keep_best(run: RunFolder, method: Method, progress: Progress, score: float) -> bool:
    """Keeps the predictor that scores best on the validation split; whether this one does.

    A score that is not a number (no structure in truth or outline) is none.
    """
    best = progress.best
    if math.isnan(score) or not (best is None or math.isnan(best) or score > best):
        return False
    progress.best, progress.best_step = score, progress.step
    write_tensors(run.path / BEST, dict(method.predictor().state_dict()), {"format": "pt"})
    return True


def finish_run(
    run: RunFolder,
    method: Method,
    progress: Progress,
    look: Callable[[nn.Module], Features | None] = lambda network: None,
) -> RunFolder:
    """Saves the predictor and what it cost; with a validation split the best, else the last.

    Args:
        run: the folder.
        method: that has learnt.
        progress: how far it has come.
        look: what the network that predicts sees in the training scans.
    """
    # Of several processes one alone looks: networks must not wait for the others' rows.
    network = method.eval().predictor()
    chosen, tensors = "last", dict(network.state_dict())
    if progress.best is not None and not math.isnan(progress.best):
        chosen = f"validation: Dice {progress.best:.4f} after step {progress.best_step}"
        best = read_tensors(run.path / BEST)[0]
        if best.keys() != tensors.keys():  # the whole method's, of a folder of format 0
            method.load_state_dict(best)
            best = dict(network.state_dict())
        tensors = best
    seeing = copy.deepcopy(network)
    seeing.load_state_dict(tensors)
    facts = run.facts.updated(
        format=FORMAT,
        chosen=chosen,
        features=look(seeing.eval()),
        seconds=round(progress.seconds, 1),
        peak_memory_gib=round(_peak_memory_gib(), 2),
        parameters=sum(p.numel() for p in network.parameters()),
    )
    finished = RunFolder(run.path, run.plan, facts)
    finished.write_facts()
    finished.save_weights(tensors)
    return finished


def _peak_memory_gib() -> float:
    """The most memory this process (or its GPU share) has held."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / GIB
    return peak_gib()
