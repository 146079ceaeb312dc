"""Which scans there are, and what each may be used for."""

from crln.cohort.case import Case, Cohort, Label, Slices
from crln.cohort.held_out import Held, parse_held
from crln.cohort.layouts import load_cohort
from crln.cohort.naming import with_names
from crln.cohort.outline import Outline, read_outline
from crln.cohort.parts import without_labels
from crln.cohort.phantom import make_phantom
from crln.cohort.split import apply_split, read_split, save_split, split_cohort, unlabelled_pool

__all__ = [
    "Case",
    "Cohort",
    "Held",
    "Label",
    "Outline",
    "Slices",
    "apply_split",
    "load_cohort",
    "make_phantom",
    "parse_held",
    "read_outline",
    "read_split",
    "save_split",
    "split_cohort",
    "unlabelled_pool",
    "with_names",
    "without_labels",
]
