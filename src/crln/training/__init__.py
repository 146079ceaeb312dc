"""From a cohort and a plan to a run folder.

Names are imported when they are first used: the command line reads the options without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crln.training.options import Intervals, Training

if TYPE_CHECKING:
    from crln.training.cross_validation import out_of_fold
    from crln.training.ensemble import train_ensemble
    from crln.training.listeners import Course, Listener
    from crln.training.page import write_page
    from crln.training.start import train

_FILES = {
    "Course": "listeners",
    "Listener": "listeners",
    "out_of_fold": "cross_validation",
    "train": "start",
    "train_ensemble": "ensemble",
    "write_page": "page",
}

__all__ = [
    "Course",
    "Intervals",
    "Listener",
    "Training",
    "out_of_fold",
    "train",
    "train_ensemble",
    "write_page",
]


def __getattr__(name: str) -> Any:
    """Imports a public name from its file (PEP 562)."""
    if name not in _FILES:
        raise AttributeError(f"module 'crln.training' has no attribute {name!r}")
    return getattr(import_module(f"crln.training.{_FILES[name]}"), name)
