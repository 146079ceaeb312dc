"""Colours and type that read on a light and on a dark page alike."""

from collections.abc import Iterable
from typing import Any

INK = "#010203"
"""Stands for the page's own text colour in a chart; the page puts that in its place."""

TRUTH, PREDICTION = "#ffd21f", "#21b6ff"
"""Outlines on a grey scan; told apart with any kind of colour vision."""

SERIES = (
    "#2f7fe0",
    "#e0752d",
    "#1f9e78",
    "#b05fd0",
    "#d8484f",
    "#1ba0b5",
    "#a97b35",
    "#d0609a",
    "#7f9a2b",
    "#858c99",
)

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
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}
