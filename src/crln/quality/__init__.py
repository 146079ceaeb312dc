"""How good an outline is likely to be, told without its label."""

from crln.quality.appraise import Appraiser
from crln.quality.estimate import CohortEstimate
from crln.quality.features import Features
from crln.quality.learnt import label_shapes, what_was_outlined
from crln.quality.outlines import LabelRanges
from crln.quality.record import Points, Quality
from crln.quality.score import Appraisal, Score
from crln.quality.shape import Shape, shapes_of
from crln.quality.signals import Signals

__all__ = [
    "Appraisal",
    "Appraiser",
    "CohortEstimate",
    "Features",
    "LabelRanges",
    "Points",
    "Quality",
    "Score",
    "Shape",
    "Signals",
    "label_shapes",
    "shapes_of",
    "what_was_outlined",
]
