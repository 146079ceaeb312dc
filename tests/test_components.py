import numpy as np
import pytest
from scipy import ndimage

from crln.components import largest_components


def test_keeps_the_largest_component_of_each_class() -> None:
    classes = np.zeros((12, 10, 8), np.uint8)
    classes[1:5, 1:5, 1:5] = 1
    classes[8, 8, 6] = 1
    classes[7:9, 1:3, 1:3] = 2
    classes[10:12, 6:10, 2] = 3
    expected = classes.copy()
    expected[8, 8, 6] = 0
    assert np.array_equal(largest_components(classes), expected)
    assert classes[8, 8, 6] == 1


def test_voxels_that_share_a_corner_are_connected() -> None:
    classes = np.zeros((6, 6, 6), np.uint8)
    classes[0, 0, 0] = classes[1, 1, 1] = classes[5, 5, 5] = 1
    kept = largest_components(classes)
    assert kept[0, 0, 0] == kept[1, 1, 1] == 1
    assert kept[5, 5, 5] == 0


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_same_as_scipy_on_noise(kind: type) -> None:
    classes = np.random.default_rng(0).integers(0, 3, (14, 12, 10)).astype(kind)
    classes[np.random.default_rng(1).random(classes.shape) < 0.7] = 0
    expected = np.zeros_like(classes)
    for k in (1, 2):
        parts, _ = ndimage.label(classes == k, np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert (sizes == sizes.max()).sum() == 1
        expected[parts == sizes.argmax() + 1] = k
    assert np.array_equal(largest_components(classes), expected)


def test_background_alone_stays() -> None:
    assert not largest_components(np.zeros((3, 3, 3), np.uint8)).any()
