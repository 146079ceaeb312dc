"""What figures and losses mean, and what charts show, in words that all pages share."""

from collections.abc import Mapping, Sequence

import numpy as np

from crln.evaluation.statistics import only_defined

BOXED = 10
"""Values that a box is drawn of at least; of fewer it would say more than they do."""

DICE = (
    "Dice says how much two outlines have in common: 100 % is the same outline, 0 % shares "
    "nothing. A Dice of 70 % means that, of two outlines of the same size, 70 % of each lies "
    "inside the other, and 30 % outside. The same error at the rim costs a small or thin structure "
    "more of it than a large one."
)
"""For a reader who has not met it."""

_TERMS = {
    "agreement": "decoders agree",
    "alignment": "prototypes brought in line",
    "consistency": "student agrees with teacher",
    "contrast": "classes kept apart",
    "corrected": "networks' disputes settled",
    "crossed": "each network taught by the other",
    "denoising": "noisy patches cleaned",
    "distilled": "outlines passed on",
    "inward": "unlabelled scan around a labelled box",
    "outward": "labelled scan around an unlabelled box",
    "positive": "voxels drawn to their prototypes",
    "rectified": "taught by rectified outlines",
    "rectifier": "rectified outline on labels",
    "relation": "relation to prototypes on labels",
    "strong": "pseudo-labels on strong views",
    "strong_to_weak": "from strong to weak view",
    "supervised": "labels",
    "total": "whole loss",
    "translation": "shifted crops agree",
    "undone": "disputed errors unlearnt",
    "unified": "pseudo-labels of both networks",
    "unsupervised": "pseudo-labels",
    "weak_to_drawn": "from weak view to label",
}


def loss_title(term: str) -> str:
    """What a term of a loss is about; of an unknown one its name with spaces."""
    return _TERMS.get(term, term.replace("_", " "))


def about_boxes(values: Mapping[str, Sequence[float]]) -> str:
    """How to read a chart of them as dots, with or without boxes."""
    if max((only_defined(figures).size for figures in values.values()), default=0) >= BOXED:
        return "the box holds the middle half of them, its line their median"
    return "the line is their mean"


def spread(title: str, values: Mapping[str, Sequence[float]]) -> str:
    """What is seen on a chart of dots, a row each."""
    told = []
    for name, figures in values.items():
        found = only_defined(figures)
        text = "undefined in all cases"
        if found.size:
            text = (
                f"from {found.min():.1f} to {found.max():.1f}, half of the cases below "
                f"{np.median(found):.1f}"
            )
        told.append(f"{name}: {text}")
    return f"{title} of every case. {'; '.join(told)}."
