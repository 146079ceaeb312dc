"""From a cohort and a plan to a model folder."""

from crln.training.train import Intervals, train

__all__ = ["Intervals", "train"]
