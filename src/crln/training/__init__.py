"""From a cohort and a plan to a run folder.

Names are imported when they are first used: the command line reads the options without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crln.training.options import Intervals, Training

if TYPE_CHECKING:
    from crln.training.listeners import Course, Listener
    from crln.training.start import train

_FILES = {"Course": "listeners", "Listener": "listeners", "train": "start"}

__all__ = ["Course", "Intervals", "Listener", "Training", "train"]


def __getattr__(name: str) -> Any:
    """Imports a public name from its file (PEP 562)."""
    if name not in _FILES:
        raise AttributeError(f"module 'crln.training' has no attribute {name!r}")
    return getattr(import_module(f"crln.training.{_FILES[name]}"), name)
