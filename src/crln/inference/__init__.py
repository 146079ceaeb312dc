"""Outlining scans with a trained network."""

from crln.inference.sliding import Precision, Slab, score_slabs, sliding_window

__all__ = ["Precision", "Slab", "score_slabs", "sliding_window"]
