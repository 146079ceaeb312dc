"""Outlining scans with a trained network."""

from crln.inference.discover import discover_inputs
from crln.inference.files import Outcome, predict_files
from crln.inference.fuse import accelerate, fold_norms
from crln.inference.prediction import Prediction
from crln.inference.predictor import Predictor, load_predictor
from crln.inference.sliding import Precision, Slab, score_slabs, sliding_window

__all__ = [
    "Outcome",
    "Precision",
    "Prediction",
    "Predictor",
    "Slab",
    "accelerate",
    "discover_inputs",
    "fold_norms",
    "load_predictor",
    "predict_files",
    "score_slabs",
    "sliding_window",
]
