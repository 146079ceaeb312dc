"""What the voxels of a scan and of a label may be."""

from pathlib import Path

import numpy as np

from crln.errors import CrlnError, counted
from crln.labels import HIGHEST, LOWEST

ROUNDED = 1e-3
"""How far from a whole number a label's value may lie: scale factors in headers round."""

ABSURD = 1e12
"""No scan measures more; such voxels stand for what was not measured, and drown the others."""

_FEW = 32
"""Different values that a label may have, whatever lies beside what."""

_MIXED = 0.5
"""The share of structures' neighbours, background among them, that are another structure: from
here on a file is a scan, not a label."""


def check_intensities(path: Path, array: np.ndarray) -> None:
    """Raises CrlnError where voxels of a scan are not finite, absurd, or all the same."""
    # NaN and infinity show in the extremes, which cost no array of flags.
    low, high = array.min(), array.max()
    if not np.isfinite([low, high]).all():
        count = array.size - int(np.isfinite(array).sum())
        raise CrlnError(f"{path}: {_voxels(count)} NaN or infinite; replace them or leave it out")
    if max(-low, high) > ABSURD:
        count = int(np.count_nonzero(np.abs(array) > ABSURD))
        raise CrlnError(
            f"{path}: {_voxels(count)} beyond what a scan measures ({low:.3g} to {high:.3g}); "
            "replace them or leave it out"
        )
    if low == high:
        raise CrlnError(f"{path}: every voxel is {low:g}; export the scan again or leave it out")


def _voxels(count: int) -> str:
    return f"{counted(count, 'voxel')} {'is' if count == 1 else 'are'}"


def whole_numbers(path: Path, voxels: np.ndarray) -> np.ndarray:
    """The values of a label (X, Y, Z), as integers.

    Raises:
        CrlnError: a value is not within `ROUNDED` of a whole number, or beyond 32 bits; or there
            are so many values, one beside the other, that it is a scan.
    """
    if voxels.dtype.kind == "f":
        whole = np.rint(voxels)
        with np.errstate(invalid="ignore"):  # infinite less infinite
            strange = ~(np.abs(voxels - whole) <= ROUNDED)
        if strange.any():
            raise CrlnError(
                f"{path}: its values are not whole numbers, as labels are (it holds "
                f"{voxels[strange].flat[0]:.7g}); give the label file, or round it"
            )
        voxels = whole
    low, high = voxels.min(), voxels.max()
    if low < LOWEST or high > HIGHEST:
        raise CrlnError(f"{path}: label values of {low}..{high} are absurd; export it again")
    voxels = voxels.astype(np.int32)
    if int(high) - int(low) > _FEW and _mixed(voxels) > _MIXED:
        count = len(np.unique(voxels))
        if count > _FEW:
            raise CrlnError(
                f"{path}: holds {count} different values, one beside the other, as a scan does; "
                "put the label file there"
            )
    return voxels


def _mixed(label: np.ndarray) -> float:
    """The largest share, along any axis, of structures' neighbours that are another structure.

    The background is the most frequent value. Structures of few voxels, strewn in it, are a label.
    """
    values, counts = np.unique(label[::2, ::2, ::2], return_counts=True)
    background = values[counts.argmax()]
    shares = [0.0]
    for axis in range(3):
        ahead, behind = np.moveaxis(label, axis, 0)[1:], np.moveaxis(label, axis, 0)[:-1]
        of_one, of_other = ahead != background, behind != background
        if pairs := np.count_nonzero(of_one | of_other):
            shares.append(np.count_nonzero(of_one & of_other & (ahead != behind)) / pairs)
    return max(shares)
