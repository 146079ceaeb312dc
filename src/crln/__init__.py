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
    from crln.evaluation import Evaluation, evaluate
    from crln.inference import Prediction, Predictor, load_predictor
    from crln.planning import Plan, make_plan
    from crln.runs import RunFolder, open_run
    from crln.training import Course, Listener, Training, train

if sys.platform == "darwin":
    # torch reads it once, when it is imported: what Metal cannot compute, the processor does.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

_ROOMS = {
    "Case": "cohort",
    "Course": "training",
    "Cohort": "cohort",
    "Evaluation": "evaluation",
    "Listener": "training",
    "Plan": "planning",
    "Prediction": "inference",
    "Predictor": "inference",
    "RunFolder": "runs",
    "Training": "training",
    "evaluate": "evaluation",
    "load_cohort": "cohort",
    "load_predictor": "inference",
    "make_plan": "planning",
    "open_run": "runs",
    "split_cohort": "cohort",
    "train": "training",
}

__all__ = [
    "Case",
    "Cohort",
    "Course",
    "CrlnError",
    "Evaluation",
    "Listener",
    "Plan",
    "Prediction",
    "Predictor",
    "RunFolder",
    "Training",
    "__version__",
    "evaluate",
    "load_cohort",
    "load_predictor",
    "make_plan",
    "open_run",
    "split_cohort",
    "train",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from its room (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'crln' has no attribute {name!r}")
    return getattr(import_module(f"crln.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return __all__
