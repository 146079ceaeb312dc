"""Which scans there are, how they lie on disk, and what each may be used for."""

from crln.cohort.case import Case, Cohort
from crln.cohort.layouts import load_cohort
from crln.cohort.phantom import make_phantom
from crln.cohort.splits import (
    apply_split,
    read_split,
    save_split,
    split_cohort,
    unlabelled_pool,
)

__all__ = [
    "Case",
    "Cohort",
    "apply_split",
    "load_cohort",
    "make_phantom",
    "read_split",
    "save_split",
    "split_cohort",
    "unlabelled_pool",
]
