"""What figures and losses mean, in words that all pages share."""

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
    "crossed": "each network taught by the other",
    "inward": "unlabelled scan in a labelled box",
    "outward": "labelled scan around an unlabelled box",
    "positive": "voxels drawn to their prototypes",
    "rectified": "taught by rectified outlines",
    "rectifier": "rectified outline on labels",
    "relation": "relation to prototypes on labels",
    "strong_to_weak": "from strong to weak view",
    "supervised": "labels",
    "total": "all terms together",
    "translation": "shifted crops agree",
    "unsupervised": "pseudo-labels",
    "weak_to_drawn": "from weak view to label",
}


def loss_title(term: str) -> str:
    """What a term of a loss is about; of an unknown one its name with spaces."""
    return _TERMS.get(term, term.replace("_", " "))
