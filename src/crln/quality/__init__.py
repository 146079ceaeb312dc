"""How good an outline is likely to be, told without its label."""

from crln.quality.score import Appraisal, Score

__all__ = ["Appraisal", "Score"]
