"""A model to hand on: what prediction needs, and nothing of whose scans it was learnt from."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from crln.errors import CrlnError, reason
from crln.evaluation import Evaluation, read_evaluation
from crln.files import write_text
from crln.planning import preset_names
from crln.runs.card import CARD, model_card
from crln.runs.ensemble import (
    OUT_OF_FOLD,
    Member,
    is_ensemble,
    known_quality,
    open_ensemble,
    predicting_runs,
)
from crln.runs.facts import FORMAT, Facts
from crln.runs.folder import RunFolder

TOLD = (
    "method", "seed", "precision", "transductive", "labelled", "unlabelled", "validation", "test",
    "processes", "first_stage", "changes", "packages", "crln", "commit", "python", "torch",
    "device", "threads", "cores", "chosen", "seconds", "peak_memory_gib", "parameters", "seen",
    "outlined", "features",
)  # fmt: skip
"""Facts that name no path, person or case; others, and those of later versions, are left out."""


def share(run: Path | str, out: Path | str) -> Path:
    """Writes a model that can be handed on: the plan, the weights of the predictor, a model card.

    `crln predict` makes the same masks of it. It holds no path, no name of a person or machine, no
    case id and no command line; the names of classes and channels stay, as masks need them. It
    cannot be resumed; `--start-from` begins with its predictor.

    Args:
        run: a run folder, or an ensemble's.
        out: the folder to make.

    Returns:
        `out`.

    Raises:
        CrlnError: a training has not finished, a file is not what was sealed, or `out` exists.

    Examples:
        >>> sorted(file.name for file in crln.share("run", "model").iterdir())
        ['model-card.md', 'plan.yaml', 'run.yaml', 'seal.json', 'weights.safetensors']
    """
    source, out = Path(run), Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise CrlnError(f"{out}: exists already; give another --out")
    runs = predicting_runs(source)
    beside = out.with_name(f"partial-{os.getpid()}-{out.name}")
    try:
        if is_ensemble(source):
            _write_ensemble(source, runs, beside)
        else:
            _write_run(runs[0], beside)
        if quality := known_quality(source):
            quality.shared().write(beside)
        write_text(beside / CARD, model_card(runs, _measured(source)))
        if out.exists():
            out.rmdir()
        beside.replace(out)
    except OSError as error:
        raise CrlnError(f"{out}: cannot be made ({reason(error)}); give another --out") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return out


def _write_run(run: RunFolder, out: Path) -> RunFolder:
    network = run.load_network()  # which checks the seal
    plan = run.plan.model_copy(update={
        "name": run.plan.name if run.plan.name in preset_names() else "auto",
        "options": {k: given for k, given in run.plan.options.items() if k == run.facts.method},
    })  # fmt: skip
    facts = Facts(format=FORMAT, shared=True, **{name: getattr(run.facts, name) for name in TOLD})
    model = RunFolder(out, plan, facts)
    model.write_facts()
    model.save_weights(dict(network.state_dict()))
    return model


def _write_ensemble(source: Path, runs: Sequence[RunFolder], out: Path) -> None:
    begun = open_ensemble(source)
    models = [_write_run(run, out / f"member-{i}") for i, run in enumerate(runs, 1)]
    members = tuple(Member(folder=m.path.name, seed=m.facts.seed) for m in models)
    replace(begun, path=out, plan=models[0].plan, members=members).write()


def _measured(source: Path) -> Evaluation | None:
    """What left-out cases tell of an ensemble."""
    record = source / OUT_OF_FOLD / "metrics.json"
    return read_evaluation(record) if record.exists() else None
