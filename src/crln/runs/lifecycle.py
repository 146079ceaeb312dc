"""Begins, resumes and ends a model folder."""

import shutil
from pathlib import Path
from typing import Any

import torch

from crln.cohort import Cohort
from crln.errors import CrlnError
from crln.files import read_tensors, write_tensors
from crln.memory import GIB, peak_gib
from crln.methods import Method
from crln.planning import Plan
from crln.runs.checkpoint import Progress
from crln.runs.folder import RunFolder, open_run
from crln.runs.provenance import environment_facts

BEST = "best.safetensors"


def start_run(
    out: Path, plan: Plan, facts: dict[str, Any], *, resume: bool, overwrite: bool
) -> RunFolder:
    """A new model folder, or the one to resume.

    Raises:
        CrlnError: `out` holds a run (neither resume nor overwrite), something that is no run, or
            a run of another method, seed or plan.
    """
    out = Path(out)
    if resume and (out / "run.yaml").exists():
        run = open_run(out)
        for name in ("method", "seed", "precision", "labelled", "unlabelled"):
            if run.facts.get(name) != facts[name]:
                raise CrlnError(
                    f"{out}: the run has {name} {run.facts.get(name)}, not {facts[name]}; "
                    "resume it with its own settings"
                )
        if run.plan != plan:
            raise CrlnError(
                f"{out}: the run was begun with another plan; give it --plan {out}/plan.yaml"
            )
        return run
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise CrlnError(f"{out}: exists already; use --resume, --overwrite or another --out")
        if not (out / "run.yaml").exists():
            raise CrlnError(
                f"{out}: is no model folder, so it is not overwritten; remove it yourself"
            )
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


def run_facts(
    cohort: Cohort, method: str, seed: int, device: torch.device, precision: str, unlabelled: int
) -> dict[str, Any]:
    """What the folder says of itself: what was run, on what, where."""
    return {
        "method": method,
        "seed": seed,
        "precision": precision,
        "data": str(cohort.root),
        "labelled": len(cohort.labelled),
        "unlabelled": unlabelled,
        "validation": len(cohort.validation),
        "test": len(cohort.test),
        **environment_facts(device),
    }


def keep_best(run: RunFolder, method: Method, progress: Progress, score: float) -> None:
    """Keeps the weights that score best on the validation split."""
    if progress.best is None or score > progress.best:
        progress.best, progress.best_step = score, progress.step
        write_tensors(run.path / BEST, dict(method.state_dict()), {"format": "pt"})


def finish_run(run: RunFolder, method: Method, progress: Progress) -> RunFolder:
    """Saves the weights and what they cost; with a validation split the best, else the last."""
    facts = {
        **run.facts,
        "chosen": "last",
        "seconds": round(progress.seconds, 1),
        "peak_memory_gib": round(_peak_memory_gib(), 2),
        "parameters": sum(p.numel() for p in method.predictor().parameters()),
    }
    if progress.best is not None:
        facts["chosen"] = f"validation: Dice {progress.best:.4f} after step {progress.best_step}"
        method.load_state_dict(read_tensors(run.path / BEST)[0])
    finished = RunFolder(run.path, run.plan, facts)
    finished.write_facts()
    finished.save_weights(method)
    return finished


def _peak_memory_gib() -> float:
    """The most memory this process (or its GPU share) has held."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / GIB
    return peak_gib()
