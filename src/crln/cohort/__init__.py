"""Which scans there are, and what each may be used for."""

from crln.cohort.case import Case, Cohort, Label, Slices
from crln.cohort.groups import repeated_patients
from crln.cohort.held_out import Held, parse_held
from crln.cohort.kept import (
    NEW,
    check_never_taught,
    check_never_tested,
    keep_split,
    split_beside,
    split_lines,
)
from crln.cohort.layouts import load_cohort
from crln.cohort.listing import tell_unread
from crln.cohort.naming import settle_told, with_names
from crln.cohort.outline import Outline, read_outline
from crln.cohort.parts import without_labels
from crln.cohort.phantom import make_phantom
from crln.cohort.saved import (
    SPLIT,
    apply_split,
    open_split,
    read_split,
    save_split,
    write_held,
)
from crln.cohort.separate import check_structures, mask_as_label, read_separate
from crln.cohort.split import split_cohort, unlabelled_pool
from crln.cohort.write import write_description

__all__ = [
    "NEW",
    "SPLIT",
    "Case",
    "Cohort",
    "Held",
    "Label",
    "Outline",
    "Slices",
    "apply_split",
    "check_never_taught",
    "check_never_tested",
    "check_structures",
    "keep_split",
    "load_cohort",
    "make_phantom",
    "mask_as_label",
    "open_split",
    "parse_held",
    "read_outline",
    "read_separate",
    "read_split",
    "repeated_patients",
    "save_split",
    "settle_told",
    "split_beside",
    "split_cohort",
    "split_lines",
    "tell_unread",
    "unlabelled_pool",
    "with_names",
    "without_labels",
    "write_description",
    "write_held",
]
