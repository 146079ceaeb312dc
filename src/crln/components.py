"""The largest connected component of each class of a mask."""

from collections.abc import Collection

import cc3d
import numpy as np


def largest_components(labels: np.ndarray, only: Collection[int] | None = None) -> np.ndarray:
    """`labels`, (X, Y, Z), with only the largest component of each value but 0.

    Voxels that share a face, an edge or a corner are connected, as in this field's released code.

    Args:
        labels: integers.
        only: the values to do so for; the others stay as they are.
    """
    components, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    value_of = np.zeros(count + 1, dtype=labels.dtype)
    value_of[components.ravel()] = labels.ravel()
    kept = np.zeros_like(value_of)
    for value in np.unique(value_of[1:]):
        if only is not None and value not in only:
            kept[value_of == value] = value
            continue
        members = np.flatnonzero(value_of == value)
        kept[members[np.argmax(sizes[members])]] = value
    return kept[components]
