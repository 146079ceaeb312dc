"""From a cohort and a plan to a model folder."""

from crln.parallel.launch import is_first
from crln.training.loop import Intervals
from crln.training.train import train

__all__ = ["Intervals", "is_first", "train"]
