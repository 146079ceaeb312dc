"""Which values of a scan are black and white: what a menu offers for it."""

from dataclasses import dataclass

import numpy as np

CT = {
    "soft tissue": (40, 400),
    "lung": (-600, 1500),
    "bone": (400, 1800),
    "brain": (40, 80),
    "liver": (60, 160),
    "vessels": (300, 600),
}
"""Name to centre and width, in Hounsfield units, as radiologists have them."""
_AIR = -300
"""A scan with values below is a CT: air is at -1000, and in no other scan."""
_SAMPLE = 1_000_000
_TAILS = (0.5, 99.5)


@dataclass(frozen=True)
class Window:
    """Values that are black and white.

    Attributes:
        name: for the menu.
        low: black.
        high: white.
    """

    name: str
    low: float
    high: float


def windows_of(voxels: np.ndarray, name: str = "") -> tuple[Window, ...]:
    """What is offered for a scan, the one to begin with first.

    Args:
        voxels: flat, finite.
        name: of its channel, such as "CT".

    Examples:
        >>> [window.name for window in windows_of(np.arange(100))]
        ['99 % of the values', 'whole range']
    """
    low, high = float(voxels.min()), float(voxels.max())
    inner = np.percentile(voxels[:: max(1, voxels.size // _SAMPLE)], _TAILS).tolist()
    most, whole = _window("99 % of the values", *inner), _window("whole range", low, high)
    if low > _AIR and name.casefold() != "ct":
        return most, whole
    presets = [_window(name, at - width / 2, at + width / 2) for name, (at, width) in CT.items()]
    return (most, whole, *presets)


def _window(name: str, low: float, high: float) -> Window:
    return Window(name, low, high if high > low else low + 1)
