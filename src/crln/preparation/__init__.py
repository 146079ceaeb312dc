"""Plan and case -> prepared arrays in a cache."""

from crln.preparation.cache import (
    SOURCES,
    default_cache,
    prepare_cohort,
    spacing_of,
    what_was_seen,
)
from crln.preparation.likeness import Look, Looks, remarks
from crln.preparation.placement import Placement, place
from crln.preparation.prepare import normalise, prepare_image, prepare_label
from crln.preparation.sources import content_of
from crln.preparation.store import PreparedCase

__all__ = [
    "SOURCES",
    "Look",
    "Looks",
    "Placement",
    "PreparedCase",
    "content_of",
    "default_cache",
    "normalise",
    "place",
    "prepare_cohort",
    "prepare_image",
    "prepare_label",
    "remarks",
    "spacing_of",
    "what_was_seen",
]
