"""Plan and case -> prepared arrays in a cache, and back to the scan's own grid."""

from crln.preparation.cache import default_cache, prepare_cohort
from crln.preparation.placement import (
    Placement,
    restore_classes,
    restore_mask,
    restore_scores,
)
from crln.preparation.prepare import normalise, prepare_image, prepare_label
from crln.preparation.store import PreparedCase

__all__ = [
    "Placement",
    "PreparedCase",
    "default_cache",
    "normalise",
    "prepare_cohort",
    "prepare_image",
    "prepare_label",
    "restore_classes",
    "restore_mask",
    "restore_scores",
]
