"""How good an outline is likely to be, told without its label."""

from crln.quality.appraise import Appraiser
from crln.quality.learnt import label_shapes, what_was_outlined
from crln.quality.outlines import Outlines
from crln.quality.score import Appraisal, Score
from crln.quality.shape import Shape, shapes_of

__all__ = [
    "Appraisal",
    "Appraiser",
    "Outlines",
    "Score",
    "Shape",
    "label_shapes",
    "shapes_of",
    "what_was_outlined",
]
