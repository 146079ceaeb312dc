"""Semi-supervised 3D medical image segmentation: learn from every scan, outline the rest.

    import crln

    cohort = crln.split_cohort(crln.load_cohort("data"), labelled=8, test=20)
    plan = crln.make_plan(cohort)
    run = crln.train(cohort, plan, "run")
    prediction = crln.load_predictor("run").predict(["scan.nii.gz"])
    evaluation = crln.evaluate("outlines", "data/labels")

Each name below is imported from its room when it is first used, so that `import crln` is quick.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from crln._version import __version__
from crln.errors import CrlnError

if TYPE_CHECKING:
    from crln.cohort import Case, Cohort, load_cohort, split_cohort
    from crln.cohort.nnunet import export_nnunet
    from crln.comparison import Settings, compare, write_results
    from crln.comparison.demo import run_demo
    from crln.evaluation import Evaluation, evaluate, read_evaluation
    from crln.imaging import Grid, Volume
    from crln.inference import Prediction, Predictor, load_predictor, predict_files
    from crln.planning import Plan, make_fingerprint, make_plan
    from crln.preparation.inventory import empty_cache, list_cache
    from crln.profiling import estimate_training, profile_step
    from crln.quality import Quality, Score
    from crln.report.evaluated import write_evaluation
    from crln.reviewing import Review, review
    from crln.runs import EnsembleFolder, RunFolder, open_ensemble, open_run
    from crln.runs.share import share
    from crln.suggestion import Suggestion, suggest
    from crln.training import (
        Course,
        Listener,
        Training,
        out_of_fold,
        train,
        train_ensemble,
        write_page,
    )

if sys.platform == "darwin":
    # torch reads it once, when it is imported: what Metal cannot compute, the processor does.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

_ROOMS = {
    "Case": "cohort",
    "Cohort": "cohort",
    "Course": "training",
    "EnsembleFolder": "runs",
    "Evaluation": "evaluation",
    "Grid": "imaging",
    "Listener": "training",
    "Plan": "planning",
    "Prediction": "inference",
    "Predictor": "inference",
    "Quality": "quality",
    "RunFolder": "runs",
    "Score": "quality",
    "Review": "reviewing",
    "Settings": "comparison",
    "Suggestion": "suggestion",
    "Training": "training",
    "Volume": "imaging",
    "compare": "comparison",
    "empty_cache": "preparation.inventory",
    "estimate_training": "profiling",
    "evaluate": "evaluation",
    "export_nnunet": "cohort.nnunet",
    "list_cache": "preparation.inventory",
    "load_cohort": "cohort",
    "load_predictor": "inference",
    "make_fingerprint": "planning",
    "make_plan": "planning",
    "open_ensemble": "runs",
    "open_run": "runs",
    "out_of_fold": "training",
    "predict_files": "inference",
    "profile_step": "profiling",
    "read_evaluation": "evaluation",
    "review": "reviewing",
    "run_demo": "comparison.demo",
    "share": "runs.share",
    "split_cohort": "cohort",
    "suggest": "suggestion",
    "train": "training",
    "train_ensemble": "training",
    "write_evaluation": "report.evaluated",
    "write_page": "training",
    "write_results": "comparison",
}

__all__ = [
    "Case",
    "Cohort",
    "Course",
    "CrlnError",
    "EnsembleFolder",
    "Evaluation",
    "Grid",
    "Listener",
    "Plan",
    "Prediction",
    "Predictor",
    "Quality",
    "Review",
    "RunFolder",
    "Score",
    "Settings",
    "Suggestion",
    "Training",
    "Volume",
    "__version__",
    "compare",
    "empty_cache",
    "estimate_training",
    "evaluate",
    "export_nnunet",
    "list_cache",
    "load_cohort",
    "load_predictor",
    "make_fingerprint",
    "make_plan",
    "open_ensemble",
    "open_run",
    "out_of_fold",
    "predict_files",
    "profile_step",
    "read_evaluation",
    "review",
    "run_demo",
    "share",
    "split_cohort",
    "suggest",
    "train",
    "train_ensemble",
    "write_evaluation",
    "write_page",
    "write_results",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from its room (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'crln' has no attribute {name!r}")
    from crln.memory import uncollected

    with uncollected():
        room = import_module(f"crln.{_ROOMS[name]}")
    return getattr(room, name)


def __dir__() -> list[str]:
    return __all__
