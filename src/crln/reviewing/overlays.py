"""What lies over a scan besides its outline: maps that a round keeps beside its masks."""

from typing import TYPE_CHECKING

import numpy as np

from crln.cohort import Case
from crln.imaging import Grid, read_stored, write_mask
from crln.reviewing.bridge import packed
from crln.reviewing.places import Places

if TYPE_CHECKING:
    from crln.inference import Prediction

KINDS = ("uncertainty", "disagreement", "rectified")
"""How undecided, where the networks decide otherwise, what the relation map M has changed."""
_LEVELS = 15
"""A map is told in so many steps, so that its file is small; less than half a step is nothing."""


def write_overlays(places: Places, round: int, case: Case, prediction: "Prediction") -> None:
    """Keeps what the model can tell of each voxel, 0 to 255, on the scan's own grid."""
    found = {"uncertainty": prediction.uncertainty, **prediction.maps}
    for kind in KINDS:
        if (values := found.get(kind)) is not None:
            steps = np.rint(values * np.float32(_LEVELS)).astype(np.uint8) * (255 // _LEVELS)
            write_mask(places.overlay(round, kind, case.id), steps, case.images[0], overwrite=True)


def kinds_of(places: Places, round: int | None, case: str) -> list[str]:
    """Those that a mask has."""
    if round is None:
        return []
    return [kind for kind in KINDS if places.overlay(round, kind, case).exists()]


def packed_overlay(places: Places, round: int, kind: str, case: str, grid: Grid) -> bytes:
    """A map for the page, as a `.nii.gz` whose axes are in the order of RAS.

    Raises:
        CrlnError: it cannot be read.
    """
    voxels, _ = read_stored(places.overlay(round, kind, case))
    return packed(voxels.astype(np.uint8), grid)
