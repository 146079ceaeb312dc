"""Class indices as every room uses them, and what is done to a map of them."""

import cc3d
import numpy as np

IGNORE = -1
"""Target of a voxel that no loss may count: outside the scan, or brought in by augmentation."""


def largest_components(labels: np.ndarray) -> np.ndarray:
    """`labels`, (X, Y, Z), with only the largest component of each value but 0.

    Voxels that share a face, an edge or a corner are connected, as in this field's released code.
    """
    components, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    sizes = np.bincount(components.ravel(), minlength=count + 1)
    value_of = np.zeros(count + 1, dtype=labels.dtype)
    value_of[components.ravel()] = labels.ravel()
    kept = np.zeros_like(value_of)
    for value in np.unique(value_of[1:]):
        members = np.flatnonzero(value_of == value)
        kept[members[np.argmax(sizes[members])]] = value
    return kept[components]
