"""Plan and case -> prepared arrays in a cache."""

from crln.preparation.cache import default_cache, prepare_cohort
from crln.preparation.placement import Placement, place
from crln.preparation.prepare import normalise, prepare_image, prepare_label
from crln.preparation.store import PreparedCase

__all__ = [
    "Placement",
    "PreparedCase",
    "default_cache",
    "normalise",
    "place",
    "prepare_cohort",
    "prepare_image",
    "prepare_label",
]
