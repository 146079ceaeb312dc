import numpy as np
import pytest


@pytest.fixture
def slices() -> np.ndarray:
    """(X, Y, Z) int16, every voxel different."""
    return (np.arange(7 * 6 * 5, dtype=np.int16) - 60).reshape(7, 6, 5)
