"""What is done to a mask after the network."""

import cc3d
import numpy as np


def keep_largest_components(classes: np.ndarray) -> np.ndarray:
    """Each foreground class's largest component alone; the rest becomes background.

    Args:
        classes: (X, Y, Z), 0 background. Voxels that share a corner are connected.

    Returns:
        A new array of the same shape and type.
    """
    result = np.zeros_like(classes)
    for k in np.unique(classes):
        if k != 0:
            largest = cc3d.largest_k(classes == k, k=1, connectivity=26)
            result[largest > 0] = k
    return result
