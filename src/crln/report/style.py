"""Colours and type that read on a light and on a dark page alike."""

from collections.abc import Iterable
from typing import Any

INK = "#010203"
"""Stands for the page's own text colour in a chart; the page puts that in its place."""

WIDE, NARROW = 9.0, 3.6
"""Inches that a chart is wide on a page, and on a telephone."""

_CLASSES = (
    "#2a93f9",
    "#b08d15",
    "#c5146a",
    "#1350ff",
    "#1c7b24",
    "#ed646f",
    "#8f49a4",
    "#d26caf",
    "#a44d16",
    "#02a671",
    "#f55e07",
    "#aa71fc",
)
"""Each of a luminance that reads on white, on black and on grey scans. The first eight, any few of
them from the first on, are as far apart as can be with full, red-, green- and blue-blind vision."""

CHART: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.14,
    "grid.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "crln",
    "svg.fonttype": "none",  # text stays text, in the page's own type
}


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour per name, by its place; the same names in the same order keep theirs."""
    return {name: class_colour(place) for place, name in enumerate(names)}


def class_colour(index: int) -> str:
    """The one hue of a class in all charts, pictures and pages, such as "#2a93f9".

    Told apart with any colour vision up to eight classes; after the twelfth they start again.

    Args:
        index: the class's place among the classes without the background, from 0.
    """
    return _CLASSES[index % len(_CLASSES)]
